//! From the text that names a source to the source.

use super::Source;
use crate::crew::Crew;
use crate::error::Error;
use crate::fetch::{Client, ClientSettings};

/// What a source's text may begin with, the feature it takes, and whether this build has it.
const SCHEMES: [(&str, &str, bool); 7] = [
    ("http", "", true),
    ("https", "https", cfg!(feature = "https")),
    ("memcached", "memcached", cfg!(feature = "memcached")),
    ("mysql", "mysql", cfg!(all(feature = "mysql", unix))),
    ("xmlrpc", "xmlrpc", cfg!(feature = "xmlrpc")),
    ("xmlrpcs", "xmlrpc", cfg!(feature = "xmlrpc")),
    ("command", "command", cfg!(all(feature = "command", unix))),
];

/// The source that `text` names.
pub(super) fn source(crew: &Crew, text: &str, settings: &ClientSettings) -> Result<Box<dyn Source>, Error> {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    if !SCHEMES.iter().any(|(known, _, is_there)| *known == scheme && *is_there) {
        return Err(no_such_source(text, scheme));
    }
    named(crew, scheme, text, settings).map_err(|error| of_route(error, text))
}

fn named(crew: &Crew, scheme: &str, text: &str, settings: &ClientSettings) -> Result<Box<dyn Source>, Error> {
    match scheme {
        #[cfg(feature = "memcached")]
        "memcached" => Ok(Box::new(super::cached::Cached::new(crew, text, settings)?)),
        #[cfg(all(feature = "mysql", unix))]
        "mysql" => Ok(Box::new(super::database::Database::new(crew, text, settings)?)),
        #[cfg(all(feature = "command", unix))]
        "command" => Ok(Box::new(super::program::Command::new(crew, text, settings)?)),
        #[cfg(feature = "xmlrpc")]
        "xmlrpc" | "xmlrpcs" => Ok(Box::new(super::procedure::Procedure::new(crew, text, settings)?)),
        _ => {
            let settings = ClientSettings { upstreams: vec![text.to_owned()], ..settings.clone() };
            Ok(Box::new(Client::new(crew, settings)?))
        }
    }
}

/// The same mistake, as one of the route that `text` is of.
fn of_route(error: Error, text: &str) -> Error {
    match error {
        Error::Setting { key, value, allowed } if key == "route" => Error::Setting { key, value, allowed },
        Error::Setting { allowed, .. } => wrong(text, &allowed),
        other => other,
    }
}

fn no_such_source(text: &str, scheme: &str) -> Error {
    let here = SCHEMES.iter().filter(|(.., is_there)| *is_there).map(|(known, ..)| format!("{known}:"));
    let here = here.collect::<Vec<_>>().join(", ");
    let allowed = match SCHEMES.iter().find(|(known, ..)| *known == scheme) {
        Some((_, feature, _)) => {
            format!("what this build has ({here}); {scheme}: takes one with the feature {feature}")
        }
        None => format!("a URL or command that begins with one of {here}"),
    };
    wrong(text, &allowed)
}

pub(super) fn wrong(text: &str, allowed: &str) -> Error {
    Error::Setting { key: "route".to_owned(), value: text.to_owned(), allowed: allowed.to_owned() }
}
