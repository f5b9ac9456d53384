//! An answer, from bytes to a value or a fault.
//!
//! The problem: what reads the values builds them on the stack, as deep as the answer is nested, and says nothing of
//! what surrounds them. The answer: one pass over the XML beforehand, with the same parser. It checks the envelope
//! (`methodResponse`, then `params` and `param`, or `fault`), finds the one value in it, and stops at nesting beyond
//! the limit and at a document type, the place where entities are declared.

use super::fault::Fault;
use crate::error::Error;
use dxr::Value;
use quick_xml::Reader;
use quick_xml::events::{BytesDecl, Event};

/// The value of an answer, or its fault.
pub(super) fn read(body: &[u8], max_nesting: usize) -> Result<Result<Value, Fault>, Error> {
    let text = std::str::from_utf8(body).map_err(|error| not(format!("it is not UTF-8 ({error})")))?;
    let found = Found::scan(text.strip_prefix('\u{feff}').unwrap_or(text), max_nesting)?;
    let value = Value::from_xml(found.xml).map_err(|_| not("a value is malformed or of a type that does not exist"))?;
    if found.is_fault { fault(value).map(Err) } else { Ok(Ok(value)) }
}

/// The fault that a struct describes.
pub(super) fn fault(value: Value) -> Result<Fault, Error> {
    let Value::Struct(mut members) = value else { return Err(not("a fault that is not a struct")) };
    let code = match members.remove("faultCode") {
        Some(Value::Integer(code)) => i64::from(code),
        Some(Value::Long(code)) => code,
        _ => return Err(not("a fault without an integer as its code")),
    };
    match members.remove("faultString") {
        Some(Value::String(message)) => Ok(Fault { code, message }),
        _ => Err(not("a fault without a string")),
    }
}

fn not(why: impl Into<String>) -> Error {
    Error::XmlRpc(why.into())
}

/// Where in the envelope an element is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Document,
    Response,
    Params,
    Param,
    Fault,
}

impl Place {
    /// The place inside of the element `name`, if it may be here. Values are not places.
    fn enter(self, name: &str) -> Option<Place> {
        match (self, name) {
            (Place::Document, "methodResponse") => Some(Place::Response),
            (Place::Response, "params") => Some(Place::Params),
            (Place::Response, "fault") => Some(Place::Fault),
            (Place::Params, "param") => Some(Place::Param),
            _ => None,
        }
    }

    fn leave(self) -> Place {
        match self {
            Place::Document | Place::Response => Place::Document,
            Place::Params | Place::Fault => Place::Response,
            Place::Param => Place::Params,
        }
    }

    fn holds_value(self) -> bool {
        matches!(self, Place::Param | Place::Fault)
    }
}

/// The one value in an answer.
struct Found<'a> {
    xml: &'a str,
    is_fault: bool,
}

impl<'a> Found<'a> {
    fn scan(text: &'a str, max_nesting: usize) -> Result<Found<'a>, Error> {
        // A value in an array is three elements further inside (`array`, `data`, `value`), in a struct too (`struct`,
        // `member`, `value`), and has up to two more inside itself.
        let max_open = max_nesting.saturating_mul(3).saturating_add(3);
        let is_ascii = text.is_ascii(); // asked once: a server may declare an encoding as often as it likes
        let mut reader = Reader::from_str(text);
        let mut place = Place::Document;
        let mut found = None;
        // The elements open in the value, itself included, and where it began.
        let (mut open, mut start) = (0, 0);
        loop {
            let before = position(&reader);
            let event = reader.read_event().map_err(|error| not(error.to_string()))?;
            match event {
                Event::Start(_) | Event::Empty(_) if open > 0 && open >= max_open => {
                    return Err(not(format!("values are nested deeper than {max_nesting}")));
                }
                Event::Start(_) if open > 0 => open += 1,
                Event::End(_) if open > 1 => open -= 1,
                Event::End(_) if open == 1 => {
                    open = 0;
                    found = Some(Found { xml: &text[start..position(&reader)], is_fault: place == Place::Fault });
                }
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) | Event::Empty(_) if open > 0 => {}
                Event::Start(tag) if tag.name().as_ref() == "value" && place.holds_value() && found.is_none() => {
                    (open, start) = (1, before);
                }
                Event::Empty(tag) if tag.name().as_ref() == "value" && place.holds_value() && found.is_none() => {
                    found = Some(Found { xml: &text[before..position(&reader)], is_fault: place == Place::Fault });
                }
                Event::Start(tag) if found.is_none() => {
                    place = place.enter(tag.name().as_ref()).ok_or_else(|| unexpected(tag.name().as_ref()))?;
                }
                Event::Start(tag) | Event::Empty(tag) => return Err(unexpected(tag.name().as_ref())),
                Event::End(_) => place = place.leave(),
                Event::Text(text) if text.trim_ascii().is_empty() => {}
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => return Err(not("text around the value")),
                Event::DocType(_) => return Err(not("a document type, of which XML-RPC has none")),
                Event::Decl(decl) if !is_ascii && !is_utf8(&decl) => return Err(not("its encoding is not UTF-8")),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof if place == Place::Document && open == 0 => {
                    return found.ok_or_else(|| not("there is no value in it"));
                }
                Event::Eof => return Err(not("it is cut off")),
            }
        }
    }
}

/// Whether the encoding is declared to be UTF-8, or not at all, which means the same.
fn is_utf8(declaration: &BytesDecl<'_>) -> bool {
    declaration.encoding().is_none_or(|name| name.is_ok_and(|name| name.eq_ignore_ascii_case("utf-8")))
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).expect("the text is in memory")
}

/// An element where it may not be. Its name is the server's word, so only the beginning of it.
fn unexpected(name: &str) -> Error {
    not(format!("unexpected element '{}'", name.chars().take(40).collect::<String>().escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dxr::MethodResponse;
    use proptest::prelude::*;

    fn enveloped(value: &str) -> String {
        format!(
            "<?xml version='1.0'?>\n<methodResponse>\n<params>\n\
             <param>\n{value}</param>\n</params>\n</methodResponse>\n"
        )
    }

    fn value(xml: &str) -> Result<Value, String> {
        match read(enveloped(xml).as_bytes(), 8) {
            Ok(result) => result.map_err(|fault| fault.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn text(text: &str) -> Result<Value, String> {
        Ok(Value::String(text.to_owned()))
    }

    #[test]
    fn values_are_read_as_servers_write_them() {
        assert_eq!(value("<value/>"), text(""));
        assert_eq!(value("<value></value>"), text(""));
        assert_eq!(value("<value> a\n</value>"), text(" a\n"));
        assert_eq!(value("<value><string>  </string></value>"), text("  "));
        assert_eq!(value("<value>\n <string>a</string>\n</value>"), text("a"));
        assert_eq!(value("<value><string>&lt;&#x41;&#66;<![CDATA[<&]]><!-- c -->d</string></value>"), text("<AB<&d"));
        assert_eq!(value("<value><string>a\r\nb&#13;</string></value>"), text("a\nb\r"));
        assert_eq!(value("<value><int> +3 </int></value>"), Ok(Value::Integer(3)));
        assert_eq!(value("<value><i8>-9223372036854775808</i8></value>"), Ok(Value::Long(i64::MIN)));
        assert_eq!(value("<value><double>-1.5E3</double></value>"), Ok(Value::Double(-1500.0)));
        assert_eq!(value("<value><base64>\nAAEC\nAwQ=\n</base64></value>"), Ok(Value::Base64(vec![0, 1, 2, 3, 4])));
        for nil in ["<nil/>", "<nil></nil>", "<ex:nil/>"] {
            assert_eq!(value(&format!("<value>{nil}</value>")), Ok(Value::Nil));
        }
        for array in ["<array><data/></array>", "<array><data> </data></array>"] {
            assert_eq!(value(&format!("<value>{array}</value>")), Ok(Value::Array(vec![])));
        }
        let members = "<struct><member><value>1</value><name> a </name></member></struct>";
        let expected = Value::Struct([(" a ".to_owned(), Value::String("1".to_owned()))].into());
        assert_eq!(value(&format!("<value>{members}</value>")), Ok(expected));
        let bom = format!("\u{feff}{}", enveloped("<value>é</value>"));
        assert_eq!(read(bom.as_bytes(), 0).unwrap(), Ok(Value::String("é".to_owned())));
    }

    #[test]
    fn what_is_no_value_is_an_error() {
        for xml in [
            "",
            "<int>1</int>",
            "<value><int>1</int></value><value/>",
            "<value/>text",
            "<value><int>1</int><int>2</int></value>",
            "<value><int>one</int></value>",
            "<value><int>2147483648</int></value>",
            "<value><boolean>2</boolean></value>",
            "<value><double>one</double></value>",
            "<value><base64>*</base64></value>",
            "<value><dateTime.iso8601>20250229T00:00:00</dateTime.iso8601></value>",
            "<value><dateTime.iso8601>20250228T24:00:00</dateTime.iso8601></value>",
            "<value><unknown>1</unknown></value>",
            "<value><struct><member><name> </name><value/></member></struct></value>",
            "<value>&entity;</value>",
            "<value><string>a</value></string>",
        ] {
            assert!(value(xml).is_err(), "{xml}: {:?}", value(xml));
        }
        let whole = enveloped("<value><string>text</string></value>");
        let end = whole.trim_end().len();
        for cut in (0..end).filter(|at| whole.is_char_boundary(*at)) {
            assert!(read(&whole.as_bytes()[..cut], 8).is_err(), "cut at {cut}");
        }
        for around in ["text{}", "{}text", "{}{}", "<html>{}</html>", "<methodResponse>{}</methodResponse>"] {
            let text = around.replace("{}", &whole);
            assert!(read(text.as_bytes(), 8).is_err(), "{text}");
        }
        assert!(read(b"\xff", 8).is_err());
        let latin = enveloped("<value>\u{e9}</value>").replace("?>", " encoding='ISO-8859-1'?>");
        assert!(read(latin.as_bytes(), 8).is_err());
    }

    #[test]
    fn a_document_type_is_refused_so_no_entity_exists() {
        let external = "<!DOCTYPE r [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>";
        let laughs = "<!DOCTYPE r [<!ENTITY a \"ha\"><!ENTITY e \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>";
        for kind in [external, laughs, "<!DOCTYPE r SYSTEM \"http://127.0.0.1/\">"] {
            let document = format!("{kind}{}", enveloped("<value>&e;</value>").split_once('\n').unwrap().1);
            let error = read(document.as_bytes(), 8).unwrap_err().to_string();
            assert!(error.contains("document type"), "{error}");
        }
        let late = enveloped("<value><!DOCTYPE r [<!ENTITY e \"ha\">]>&e;</value>");
        assert!(read(late.as_bytes(), 8).unwrap_err().to_string().contains("document type"));
    }

    #[test]
    fn a_fault_is_read_whatever_the_order_of_its_members() {
        let code = "<member><name>faultCode</name><value><int>-4</int></value></member>";
        let string = "<member><name>faultString</name><value>no &amp; no</value></member>";
        let answer = |members: &str| {
            let fault =
                format!("<methodResponse><fault><value><struct>{members}</struct></value></fault></methodResponse>");
            read(fault.as_bytes(), 8)
        };
        let fault = Fault { code: -4, message: "no & no".to_owned() };
        assert_eq!(answer(&format!("{code}{string}")).unwrap(), Err(fault.clone()));
        assert_eq!(answer(&format!("{string}\n{code}<member><name>x</name><value/></member>")).unwrap(), Err(fault));
        for members in ["", code, string] {
            assert!(answer(members).is_err());
        }
    }

    fn arrays(levels: usize, innermost: &str) -> String {
        let (open, close) = ("<value><array><data>", "</data></array></value>");
        enveloped(&format!("{}{innermost}{}", open.repeat(levels), close.repeat(levels)))
    }

    #[test]
    fn nesting_has_a_limit_which_is_exact() {
        let innermost = "<value><array><data/></array></value>";
        assert!(read(arrays(8, innermost).as_bytes(), 8).is_ok());
        assert!(read(arrays(9, innermost).as_bytes(), 8).unwrap_err().to_string().contains("deeper than 8"));
        assert!(read(arrays(0, "<value/>").as_bytes(), 0).is_ok());
        let (open, close) = ("<value><struct><member><name>a</name>", "</member></struct></value>");
        let structs = |levels| enveloped(&format!("{}<value/>{}", open.repeat(levels), close.repeat(levels)));
        assert!(read(structs(8).as_bytes(), 8).is_ok());
        assert!(read(structs(9).as_bytes(), 8).is_err());
        assert!(read(enveloped(&"<value>".repeat(100_000)).as_bytes(), 8).is_err());
        assert!(read(enveloped(&format!("<value>{}", "<a>".repeat(100_000))).as_bytes(), 8).is_err());
    }

    /// A crew's threads have 1 MiB unless told otherwise.
    #[test]
    fn the_deepest_nesting_allowed_fits_on_the_stack() {
        let most = super::super::settings::MOST_NESTING;
        let reader = std::thread::Builder::new().stack_size(768 << 10).spawn(move || {
            let value = read(arrays(most, "<value/>").as_bytes(), most).unwrap().unwrap();
            super::super::json::to_json(&value).len() + super::super::call::write("m", vec![value], most).unwrap().len()
        });
        assert!(reader.unwrap().join().unwrap() > most);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let date = "[0-9]{4}(0[1-9]|1[0-2])(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]";
        let leaf = prop_oneof![
            any::<i32>().prop_map(Value::Integer),
            any::<i64>().prop_map(Value::Long),
            any::<bool>().prop_map(Value::Boolean),
            "[\t\r\n -\u{d7ff}\u{10000}-\u{10ffff}]{0,20}".prop_map(Value::String),
            "[ \t\n&<>;'\"\\]\\[!-]{0,8}".prop_map(Value::String),
            (proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO)
                .prop_map(Value::Double),
            date.prop_map(|date| Value::DateTime(date.parse().unwrap())),
            proptest::collection::vec(any::<u8>(), 0..100).prop_map(Value::Base64),
            Just(Value::Nil),
        ];
        leaf.prop_recursive(4, 64, 6, |inside| {
            prop_oneof![
                proptest::collection::vec(inside.clone(), 0..6).prop_map(Value::Array),
                proptest::collection::btree_map("[ -\u{d7ff}]{0,4}[!-\u{d7ff}][ -\u{d7ff}]{0,4}", inside, 0..6)
                    .prop_map(Value::Struct),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_comes_back_as_it_went(value in any_value()) {
            let xml = MethodResponse { value: value.clone() }.to_xml().unwrap();
            prop_assert_eq!(read(xml.as_bytes(), 4).unwrap(), Ok(value));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes, 4);
        }

        #[test]
        fn no_xml_makes_it_panic(parts in proptest::collection::vec(proptest::sample::select(&[
            "<methodResponse>", "</methodResponse>", "<params>", "</params>", "<param>", "</param>",
            "<fault>", "<value>", "</value>",
            "<value/>", "<array>", "<data>", "</data>", "</array>", "<struct>", "<member>", "<name>", "</name>",
            "</member>", "</struct>", "<int>", "1", "</int>", " ", "&lt;", "&#0;", "<![CDATA[", "]]>", "<!--", "-->",
            "<?", "?>", "<!DOCTYPE", "<",
        ][..]), 0..40)) {
            let xml = parts.concat();
            let _ = read(xml.as_bytes(), 4);
            let _ = read(enveloped(&format!("<value>{xml}</value>")).as_bytes(), 4);
        }
    }
}
