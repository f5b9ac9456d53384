//! A call as a URL, for configuration files and command lines.

use crate::error::Error;
use dxr::Value;
use std::str::FromStr;

/// A whole call in one line: `xmlrpc://HOST[:PORT][/PATH]?method=NAME[&param=TEXT]…`, or `xmlrpcs://` for TLS.
///
/// Without a path it is `/RPC2`, as in most clients. Parameters are strings, in their order; names and texts are
/// written as in any URL's query.
///
/// ```
/// use headstart::xmlrpc::XmlRpcUrl;
///
/// let call: XmlRpcUrl = "xmlrpcs://rpc.example:8443?method=blog.find&param=head+start&param=10".parse()?;
/// assert_eq!(call.url, "https://rpc.example:8443/RPC2");
/// assert_eq!(call.method, "blog.find");
/// assert_eq!(call.params, ["head start", "10"]);
/// # Ok::<(), headstart::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct XmlRpcUrl {
    /// The server, for [`XmlRpcSettings::new`](super::XmlRpcSettings::new).
    pub url: String,
    /// The method to call.
    pub method: String,
    /// Its parameters.
    pub params: Vec<String>,
}

impl XmlRpcUrl {
    /// The parameters as [`XmlRpc::call`](super::XmlRpc::call) takes them.
    pub fn values(&self) -> Vec<Value> {
        self.params.iter().cloned().map(Value::String).collect()
    }
}

/// [`Error::Setting`] says what is wrong. Whether the host is one is said by [`XmlRpc::new`](super::XmlRpc::new).
impl FromStr for XmlRpcUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<XmlRpcUrl, Error> {
        let (scheme, rest) = match text.split_once("://") {
            Some(("xmlrpc", rest)) => ("http", rest),
            Some(("xmlrpcs", rest)) => ("https", rest),
            _ => return Err(wrong(text, "a URL that begins with xmlrpc:// or xmlrpcs://")),
        };
        let (server, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (host, path) = server.find('/').map_or((server, "/RPC2"), |at| server.split_at(at));
        if let Some((_, host)) = host.rsplit_once('@') {
            let hidden = format!("{scheme}://***@{host}{path}");
            return Err(wrong(&hidden, "a URL without user name and password, which would end up in logs"));
        }
        if host.is_empty() {
            return Err(wrong(text, "a URL with a host"));
        }
        if query.contains('#') || server.contains('#') {
            return Err(wrong(text, "a URL without a fragment (# is written %23)"));
        }
        let (mut method, mut params) = (None, Vec::new());
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "method" if method.is_none() => method = Some(value.into_owned()),
                "method" => return Err(wrong(text, "a URL with one method")),
                "param" => params.push(value.into_owned()),
                _ => return Err(wrong(text, "a URL with nothing but method= and param= after the ?")),
            }
        }
        let method = method.filter(|method| !method.is_empty());
        let method = method.ok_or_else(|| wrong(text, "a URL with ?method=NAME"))?;
        Ok(XmlRpcUrl { url: format!("{scheme}://{host}{path}"), method, params })
    }
}

fn wrong(value: &str, allowed: &str) -> Error {
    Error::Setting { key: "url".to_owned(), value: value.to_owned(), allowed: allowed.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        text.parse::<XmlRpcUrl>().expect_err(text).to_string()
    }

    #[test]
    fn a_url_has_server_method_and_parameters() {
        let call: XmlRpcUrl = "xmlrpc://[::1]:80/a/b?param=&param=%26%3D&method=m%2En&param=a%20b+c".parse().unwrap();
        assert_eq!(call.url, "http://[::1]:80/a/b");
        assert_eq!(call.method, "m.n");
        assert_eq!(call.params, ["", "&=", "a b c"]);
        assert_eq!("xmlrpc://h/?method=m".parse::<XmlRpcUrl>().unwrap().url, "http://h/");
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said() {
        for (text, why) in [
            ("http://h/?method=m", "begins with xmlrpc://"),
            ("xmlrpc:h?method=m", "begins with xmlrpc://"),
            ("xmlrpc:///p?method=m", "with a host"),
            ("xmlrpc://h/p", "?method=NAME"),
            ("xmlrpc://h/p?method=", "?method=NAME"),
            ("xmlrpc://h/p?method=a&method=b", "one method"),
            ("xmlrpc://h/p?method=a&params=b", "nothing but method="),
            ("xmlrpc://h/p?method=a#b", "fragment"),
        ] {
            assert!(refused(text).contains(why), "{text}: {}", refused(text));
        }
    }

    #[test]
    fn a_password_is_not_repeated() {
        for text in ["xmlrpc://me:secret@h/p?method=m", "xmlrpcs://secret@h", "xmlrpc://a@secret@h?method=m"] {
            assert!(!refused(text).contains("secret"), "{}", refused(text));
        }
    }
}
