//! `mysql://user@host/database?query=…`: a server and a statement in one line.

use super::settings::MySqlSettings;
use super::value::Value;
use crate::error::Error;
use crate::net::address::{Address, WrongPart};
use percent_encoding::percent_decode_str;

/// What a `mysql://` URL says: `mysql://user[:password]@host[:port][/database][?key=value&…]`.
///
/// | key | value |
/// |---|---|
/// | `query` | the statement |
/// | `param` | text for the next `?` of the statement; repeatable |
/// | `password-file` | a file with the password, whose last line end does not count |
/// | `password-env` | the environment variable with the password |
///
/// A command line is public to every user of the machine and an environment to the user's own processes: the password's
/// place is a file. User name, password and database are percent-encoded where they have to be; in values, a plus sign
/// is a space too, and `&`, `+`, `#` and `%` are written `%26`, `%2B`, `%23` and `%25`.
///
/// ```
/// use headstart::mysql::MySqlUrl;
///
/// let url = MySqlUrl::parse("mysql://app@127.0.0.1/shop?query=SELECT name FROM item WHERE id = ?&param=7")?;
/// assert!(format!("{:?}", url.settings).contains("shop"));
/// assert_eq!(url.query.as_deref(), Some("SELECT name FROM item WHERE id = ?"));
/// assert_eq!(url.params, ["7".into()]);
/// # Ok::<(), headstart::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MySqlUrl {
    /// How to reach the server; what the URL does not say has its default.
    pub settings: MySqlSettings,
    /// The statement, if there is one.
    pub query: Option<String>,
    /// What is bound to its placeholders.
    pub params: Vec<Value>,
}

impl MySqlUrl {
    /// Reads a URL, and the password where it says.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] names the part that is wrong. It never shows the password.
    pub fn parse(url: &str) -> Result<MySqlUrl, Error> {
        let rest = url.strip_prefix("mysql://").ok_or_else(|| {
            Error::setting("scheme", url.split_once("://").map_or("…", |(scheme, _)| scheme), "mysql")
        })?;
        let (place, pairs) = rest.split_once('?').unwrap_or((rest, ""));
        // The last one: a password may hold an @ that nobody encoded.
        let (login, place) = place.rsplit_once('@').unwrap_or(("", place));
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (login, None),
        };
        let (address, database) = place.split_once('/').unwrap_or((place, ""));
        let mut parsed = MySqlUrl { settings: MySqlSettings::new(""), query: None, params: Vec::new() };
        let settings = &mut parsed.settings;
        // What is wrong may be part of a password, if the URL lacks its @.
        let address = Address::parse(address, settings.port).map_err(|wrong| match wrong {
            WrongPart::Host => Error::setting("host", "…", "a name or an address, as in mysql://user@host/database"),
            WrongPart::Port => Error::setting("port", "…", "1 to 65535"),
        })?;
        (settings.host, settings.port) = (address.host, address.port);
        settings.user = decoded("user", user)?;
        if user.is_empty() {
            return Err(Error::setting("user", "", "a name before the @"));
        }
        settings.password = match password {
            Some(password) => {
                Some(decoded("password", password).map_err(|_| Error::setting("password", "…", "UTF-8"))?)
            }
            None => None,
        };
        settings.database = Some(decoded("database", database)?).filter(|database| !database.is_empty());
        for (key, value) in form_urlencoded::parse(pairs.as_bytes()) {
            match &*key {
                "query" if parsed.query.is_none() => parsed.query = Some(value.into_owned()),
                "param" => parsed.params.push(Value::Text(value.into_owned())),
                "password-file" | "password-env" if parsed.settings.password.is_none() => {
                    parsed.settings.password = Some(password_from(&key, &value)?);
                }
                "query" => return Err(Error::setting("query", &value, "given once")),
                "password-file" | "password-env" => return Err(Error::setting(&key, &value, "the only password")),
                key => {
                    // Not its value, and nothing that may be the rest of a password with a question mark in it.
                    let is_key =
                        key.chars().all(|character| character.is_ascii_lowercase() || "-_".contains(character));
                    let allowed = "query, param, password-file or password-env";
                    return Err(Error::setting("key", if is_key { key } else { "…" }, allowed));
                }
            }
        }
        Ok(parsed)
    }
}

fn decoded(key: &str, text: &str) -> Result<String, Error> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|_| Error::setting(key, text, "UTF-8"))
}

fn password_from(key: &str, place: &str) -> Result<String, Error> {
    if key == "password-env" {
        let value = std::env::var(place);
        return value.map_err(|_| Error::setting(key, place, "an environment variable that is set, to UTF-8"));
    }
    let text = std::fs::read_to_string(place)
        .map_err(|error| Error::setting(key, place, &format!("a readable file of UTF-8 ({error})")))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

#[cfg(test)]
mod tests;
