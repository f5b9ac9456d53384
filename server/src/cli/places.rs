//! How places are written: addresses, networks, URLs.
//!
//! As with the other values, an error says what was expected.

use crate::cli::values::digits;
use headstart_server::api::Network;
use ureq::http::Uri;

/// Where to listen. The name is looked up when listening begins; here only its form is checked.
pub(super) fn listen_address(text: &str) -> Result<String, String> {
    let host_ends_well = |host: &str| match host.strip_prefix('[') {
        Some(v6) => v6.strip_suffix(']').is_some_and(|v6| v6.parse::<std::net::Ipv6Addr>().is_ok()),
        None => !host.is_empty() && !host.contains([':', '/', '[', ']']) && !host.contains(char::is_whitespace),
    };
    text.rsplit_once(':')
        .filter(|(host, port)| host_ends_well(host) && digits(port).is_some_and(|port| port <= 65_535))
        .map(|_| text.to_owned())
        .ok_or_else(|| "expected address:port, such as 127.0.0.1:8081, [::1]:8081 or 0.0.0.0:80".to_owned())
}

/// Networks and addresses, separated by commas.
pub(super) fn networks(text: &str) -> Result<Vec<Network>, String> {
    let network = |text: &str| text.parse().map_err(|why| format!("'{text}' is none: {why}"));
    text.split(',').map(|text| network(text.trim())).collect()
}

/// Several URLs, separated by white space, which no URL contains.
pub(super) fn urls(text: &str) -> Result<Vec<String>, String> {
    text.split_whitespace().map(url).collect()
}

/// URLs without path and query, of the upstreams of a proxy route, separated by white space.
pub(super) fn origins(text: &str) -> Result<Vec<String>, String> {
    text.split_whitespace().map(origin).collect()
}

fn origin(text: &str) -> Result<String, String> {
    let text = url_such_as("http://10.0.0.1:8000", text)?;
    let below = text.split_once("://").and_then(|(_, rest)| Some(&rest[rest.find(['/', '?', '#'])?..]));
    match below {
        None | Some("/") => Ok(text),
        Some(_) => Err("the URL has a path or a query, and upstreams are told those of the request; expected one \
                        such as http://10.0.0.1:8000"
            .to_owned()),
    }
}

fn url(text: &str) -> Result<String, String> {
    url_such_as("http://127.0.0.1:9000/api/work", text)
}

fn url_such_as(example: &str, text: &str) -> Result<String, String> {
    let schemes: &[&str] = if cfg!(feature = "tls") { &["http", "https"] } else { &["http"] };
    let wrong = |why: &str| Err(format!("{why}; expected a URL such as {example}"));
    let Ok(uri) = text.parse::<Uri>() else { return wrong("that is not a URL") };
    match uri.scheme_str() {
        None => return wrong("the scheme is missing"),
        Some(scheme) if !schemes.contains(&scheme) => {
            return wrong(&format!("the scheme has to be {}", schemes.join(" or ")));
        }
        Some(_) => {}
    }
    if uri.host().is_none_or(str::is_empty) {
        return wrong("the host is missing");
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return wrong("a URL with a user name or password would show up in logs");
    }
    let port = uri.authority().and_then(|authority| authority.as_str().rsplit_once(':')).map(|(_, port)| port);
    if port
        .is_some_and(|port| !port.is_empty() && !port.ends_with(']') && digits(port).is_none_or(|port| port > 65_535))
    {
        return wrong("the port has to be a number up to 65535");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listen_address_has_a_host_and_a_port() {
        for text in ["127.0.0.1:0", "0.0.0.0:80", "[::1]:8081", "localhost:65535"] {
            assert_eq!(listen_address(text), Ok(text.to_owned()));
        }
        for text in
            ["", "8081", ":8081", "::1:8081", "[::1]", "[::g]:1", "127.0.0.1:65536", "http://a:80", "a b:1", "a:-1"]
        {
            assert!(listen_address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_url_names_what_is_wrong_with_it() {
        assert!(urls("http://127.0.0.1:9000/api/work http://b/").is_ok());
        for (text, why) in [
            ("http://[::1/", "not a URL"),
            ("127.0.0.1:9000", "scheme is missing"),
            ("/api/work", "scheme is missing"),
            ("ftp://a/", "scheme has to be"),
            ("http://u:secret@a/", "password"),
        ] {
            assert!(urls(text).unwrap_err().contains(why), "{text}: {:?}", urls(text));
        }
    }

    #[test]
    fn an_origin_is_a_url_without_path_and_query() {
        let taken = ["http://10.0.0.1:8000", "http://[::1]:80/", "http://a:", "http://[::1]"];
        assert_eq!(origins(&taken.join(" ")), Ok(taken.map(str::to_owned).to_vec()));
        for (text, why) in [
            ("http://a/b", "a path or a query"),
            ("http://a//", "a path or a query"),
            ("http://a?", "a path or a query"),
            ("http://a:65536", "up to 65535"),
            ("http://a:x", "up to 65535"),
            ("http://u@a", "password"),
        ] {
            assert!(origins(text).unwrap_err().contains(why), "{text}: {:?}", origins(text));
        }
    }
}
