//! What a request becomes on its way to an upstream.
//!
//! Everything that is meant for the upstream stays as it is, in its order. What is meant for this connection stays
//! here, and what this hop knows is said anew: for whom the request comes (`X-Forwarded-*`) and by what way (`Via`).
//! Only a trusted proxy may say that in another one's name.

use super::hop::Options;
use super::settings::{HostField, ProxySettings};
use crate::front::{Request, Version};
use headstart::Error;
use headstart::http::Fields;
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

/// The fields by which proxies say for whom a request comes.
const FORWARDED: [&str; 4] = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"];

/// How many are added at most, those for another protocol included.
const ADDED: usize = 6;

/// A request as it came, as far as what becomes of it depends on that.
#[derive(Clone, Copy)]
pub(super) struct Received<'a, F> {
    /// Each with its value, in their order.
    pub(super) fields: F,
    pub(super) target: &'a str,
    pub(super) method: &'a str,
    pub(super) version: Version,
    pub(super) peer: SocketAddr,
    pub(super) is_secure: bool,
}

/// What goes to the upstream.
pub(super) struct Forwarded<'a> {
    pub(super) target: Cow<'a, str>,
    pub(super) fields: Fields,
    /// Whether it asks for another protocol.
    pub(super) upgrades: bool,
}

/// Whether `peer` may speak for others.
pub(super) fn is_trusted(settings: &ProxySettings, peer: SocketAddr) -> bool {
    settings.trusted_proxies.iter().any(|network| network.contains(peer.ip()))
}

/// What `request` becomes. `timeout_header` is the field that is said anew with the time left.
pub(super) fn forward<'a>(
    request: &Request<'a>,
    settings: &ProxySettings,
    timeout_header: &str,
) -> Result<Forwarded<'a>, Error> {
    let received = Received {
        fields: request.fields(),
        target: request.target(),
        method: request.method(),
        version: request.version(),
        peer: request.peer(),
        is_secure: request.is_secure(),
    };
    received.forward(settings, timeout_header)
}

impl<'a, F: Iterator<Item = (&'a str, &'a [u8])> + Clone> Received<'a, F> {
    fn forward(&self, settings: &ProxySettings, timeout_header: &str) -> Result<Forwarded<'a>, Error> {
        let options = Options::of(self.all("connection"));
        let is_trusted = is_trusted(settings, self.peer);
        let (target, authority) = split(self.method, self.target);
        let (count, bytes) = self
            .fields
            .clone()
            .fold((0, 0), |(count, bytes), (name, value)| (count + 1, bytes + name.len() + value.len() + 4));
        let mut fields = Fields::with_capacity(count + ADDED, bytes + ADDED * 40);
        if let (Some(authority), HostField::Client) = (authority, settings.host) {
            fields.push("Host", authority)?; // it goes before the field (RFC 9112, section 3.2.2)
        }
        for (name, value) in self.fields.clone() {
            let is = |other: &str| name.eq_ignore_ascii_case(other);
            let is_said_anew = FORWARDED.iter().any(|forwarded| is(forwarded)) && !(is("forwarded") && is_trusted)
                || is("traceparent")
                || is(timeout_header)
                || is("host") && (authority.is_some() || settings.host == HostField::Upstream);
            if !is_said_anew && !options.keeps_here(name.as_bytes()) {
                fields.push(name, value)?;
            }
        }
        let upgrade = self.upgrade(&options);
        if let Some(protocol) = upgrade {
            fields.push("Connection", "upgrade")?;
            fields.push("Upgrade", protocol)?;
        }
        self.say_for_whom(&mut fields, is_trusted, authority)?;
        fields.push("Via", if self.version == Version::Http10 { "1.0 headstart" } else { "1.1 headstart" })?;
        Ok(Forwarded { target, fields, upgrades: upgrade.is_some() })
    }

    fn say_for_whom(&self, fields: &mut Fields, is_trusted: bool, authority: Option<&str>) -> Result<(), Error> {
        let mut chain = Vec::with_capacity(16);
        for before in self.all("x-forwarded-for").filter(|before| is_trusted && !before.is_empty()) {
            chain.extend_from_slice(before);
            chain.extend_from_slice(b", ");
        }
        push_address(&mut chain, self.peer.ip().to_canonical());
        fields.push("X-Forwarded-For", chain)?;
        let scheme = if self.is_secure { "https" } else { "http" };
        let told = self.all("x-forwarded-proto").next().filter(|_| is_trusted);
        fields.push("X-Forwarded-Proto", told.unwrap_or(scheme.as_bytes()))?;
        let host = authority.map(str::as_bytes).or_else(|| self.all("host").next());
        match self.all("x-forwarded-host").next().filter(|_| is_trusted).or(host) {
            Some(host) => fields.push("X-Forwarded-Host", host),
            None => Ok(()),
        }
    }

    /// The protocols it asks to go on in, if it does (RFC 9110, section 7.8). HTTP/2 is none: what came through such a
    /// tunnel would be requests that nobody has looked at.
    fn upgrade(&self, options: &Options<'_>) -> Option<&'a [u8]> {
        let asked = self.all("upgrade").next().filter(|_| options.upgrade() && self.version == Version::Http11)?;
        let is_http = |protocol: &[u8]| {
            let name = protocol.split(|byte| *byte == b'/').next().unwrap_or_default().trim_ascii();
            [&b"h2c"[..], b"h2", b"http", b"tls"].iter().any(|http| http.eq_ignore_ascii_case(name))
        };
        (!asked.split(|byte| *byte == b',').any(is_http)).then_some(asked)
    }

    fn all(&self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.fields.clone().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Writes an address. Of the old kind without the formatting of the standard library, which is a tenth of what becomes
/// of a request here.
fn push_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (number, octet) in address.octets().into_iter().enumerate() {
                if number > 0 {
                    out.push(b'.');
                }
                out.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
            }
        }
        address => out.extend_from_slice(address.to_string().as_bytes()),
    }
}

/// What an upstream is asked for, and the host in a target that names one (RFC 9112, section 3.2).
fn split<'a>(method: &str, target: &'a str) -> (Cow<'a, str>, Option<&'a str>) {
    if target.starts_with('/') || target == "*" {
        return (target.into(), None);
    }
    let rest = target.split_once("://").map_or(target, |(_, rest)| rest);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, origin) = rest.split_at(end);
    let origin = match origin {
        "" if method == "OPTIONS" => "*".into(),
        origin if origin.starts_with('/') => origin.into(),
        origin => format!("/{origin}").into(),
    };
    (origin, Some(authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Field = (&'static str, &'static [u8]);

    fn received(
        target: &'static str,
        fields: &'static [Field],
    ) -> Received<'static, impl Iterator<Item = Field> + Clone> {
        let peer = "192.0.2.7:1234".parse().unwrap();
        Received {
            fields: fields.iter().copied(),
            target,
            method: "GET",
            version: Version::Http11,
            peer,
            is_secure: false,
        }
    }

    fn forwarded(target: &'static str, fields: &'static [Field], settings: &ProxySettings) -> (String, String) {
        let forwarded = received(target, fields).forward(settings, "x-request-timeout-ms").unwrap();
        let lines = String::from_utf8(forwarded.fields.as_bytes().to_vec()).unwrap();
        (forwarded.target.into_owned(), lines)
    }

    fn settings() -> ProxySettings {
        ProxySettings::new("/*", ["http://a"])
    }

    /// What every request is told here.
    const ANEW: &str = "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n\
                        Via: 1.1 headstart\r\n";

    #[test]
    fn fields_stay_as_they_are_and_those_for_this_connection_stay_here() {
        let (target, lines) = forwarded(
            "//a/%2f?x=%zz;&y",
            &[
                ("Host", b"h"),
                ("X-b", b"1"),
                ("COOKIE", b"a=1"),
                ("x-B", b"2"),
                ("Connection", b"keep-alive, X-Hop"),
                ("X-Hop", b"here"),
                ("TE", b"trailers"),
                ("X-Attempt", b"7"),
                ("traceparent", b"x"),
                ("X-Request-Timeout-Ms", b"5"),
                ("Cookie", b"b=2"),
            ],
            &settings(),
        );
        assert_eq!(target, "//a/%2f?x=%zz;&y");
        assert_eq!(
            lines,
            format!("Host: h\r\nX-b: 1\r\nCOOKIE: a=1\r\nx-B: 2\r\nX-Attempt: 7\r\nCookie: b=2\r\n{ANEW}")
        );
    }

    #[test]
    fn who_is_not_trusted_speaks_for_nobody() {
        const SAID: &[Field] = &[
            ("Host", b"h"),
            ("X-Forwarded-For", b"10.0.0.9"),
            ("X-Forwarded-For", b"10.0.0.8, 10.0.0.7"),
            ("x-forwarded-proto", b"https"),
            ("X-Forwarded-Host", b"public"),
            ("Forwarded", b"for=10.0.0.9"),
        ];
        assert_eq!(forwarded("/", SAID, &settings()).1, format!("Host: h\r\n{ANEW}"));
        let trusting = settings().trusted_proxies(["192.0.2.0/24".parse().unwrap()]);
        assert_eq!(
            forwarded("/", SAID, &trusting).1,
            "Host: h\r\nForwarded: for=10.0.0.9\r\nX-Forwarded-For: 10.0.0.9, 10.0.0.8, 10.0.0.7, 192.0.2.7\r\n\
             X-Forwarded-Proto: https\r\nX-Forwarded-Host: public\r\nVia: 1.1 headstart\r\n"
        );
    }

    #[test]
    fn the_host_is_the_client_s_or_the_upstream_s() {
        let (target, lines) = forwarded("http://other:81?q", &[("Host", b"h")], &settings());
        assert_eq!(target, "/?q");
        assert!(lines.starts_with("Host: other:81\r\nX-Forwarded-For") && lines.contains("X-Forwarded-Host: other:81"));
        let upstream_s = settings().host(HostField::Upstream);
        assert!(forwarded("/", &[("Host", b"h")], &upstream_s).1.starts_with("X-Forwarded-For"));
        assert_eq!(split("OPTIONS", "http://other").0, "*");
        assert_eq!(split("GET", "http://other").0, "/");
    }

    #[test]
    fn another_protocol_is_asked_for_unless_it_is_http() {
        let upgrades = |fields| received("/", fields).forward(&settings(), "x").unwrap().upgrades;
        assert!(upgrades(&[("Connection", b"Upgrade"), ("Upgrade", b"websocket")]));
        assert!(!upgrades(&[("Upgrade", b"websocket")]), "nobody asked this hop for it");
        for http in [&b"h2c"[..], b"HTTP/2.0", b"websocket, h2c"] {
            let fields = Box::leak(Box::new([("Connection", &b"upgrade"[..]), ("Upgrade", http)]));
            assert!(!upgrades(fields));
        }
    }
}
