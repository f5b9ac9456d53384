//! XML-RPC with a server that is not ours, Python's: what is called, what comes back, and how a call ends that hangs.

#![cfg(feature = "xmlrpc")]

use headstart::race::Schedule;
use headstart::xmlrpc::{DateTime, Fault, TryFromValue, Value, XmlRpc, XmlRpcSettings, XmlRpcUrl, to_json};
use headstart::{CancelReason, CancelToken, Crew, CrewSettings, Deadline, Error, Race, TimeLimit};
use headstart_testing::needs;
use headstart_testing::xmlrpc::Peer;
use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
const TIMEOUT: Duration = Duration::from_millis(150);

fn crew() -> Crew {
    Crew::new(CrewSettings::default()).unwrap()
}

fn client(crew: &Crew, peer: &Peer) -> XmlRpc {
    client_with(crew, peer, |settings| settings)
}

fn client_with(crew: &Crew, peer: &Peer, change: impl FnOnce(XmlRpcSettings) -> XmlRpcSettings) -> XmlRpc {
    let settings = change(XmlRpcSettings::new(peer.url()));
    XmlRpc::new(crew, settings).unwrap()
}

fn text(text: impl Into<String>) -> Value {
    Value::String(text.into())
}

fn structure<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Struct(members.map(|(name, value)| (name.to_owned(), value)).into())
}

fn date(date: &str) -> DateTime {
    date.parse().unwrap()
}

#[needs("python3")]
#[test]
fn every_type_goes_there_and_comes_back() {
    let peer = Peer::start();
    let client = client(&crew(), &peer);
    let every = [
        (Value::Integer(i32::MIN), "int -2147483648"),
        (Value::Integer(i32::MAX), "int 2147483647"),
        (Value::Long(i64::MIN), "int -9223372036854775808"),
        (Value::Long(i64::MAX), "int 9223372036854775807"),
        (Value::Boolean(true), "bool True"),
        (Value::Boolean(false), "bool False"),
        (text(""), "str ''"),
        (text(" \n\t two  lines "), r"str ' \n\t two  lines '"),
        (text("<&>\"']]>&amp;<![CDATA["), "str '<&>\"\\']]>&amp;<![CDATA['"),
        (text("é\u{1f600}"), "str 'é\u{1f600}'"),
        (Value::Double(-0.0), "float -0.0"),
        (Value::Double(0.1 + 0.2), "float 0.30000000000000004"),
        (Value::Double(f64::MAX), "float 1.7976931348623157e+308"),
        (Value::Double(5e-324), "float 5e-324"),
        (Value::DateTime(date("19980717T14:08:55")), "DateTime <DateTime '19980717T14:08:55' at"),
        (Value::DateTime(date("20240229T00:00:00")), "DateTime <DateTime '20240229T00:00:00' at"),
        (Value::Base64(Vec::new()), "Binary b''"),
        (Value::Base64(b"\x00\xffab".to_vec()), r"Binary b'\x00\xffab'"),
        (Value::Array(Vec::new()), "list []"),
        (Value::Array(vec![Value::Integer(1), Value::Array(vec![text("a")])]), "list [1, ['a']]"),
        (structure([]), "dict {}"),
        (structure([(" <n> ", structure([("b", Value::Nil)]))]), "dict {' <n> ': {'b': None}}"),
        (Value::Nil, "NoneType None"),
    ];
    for (value, in_python) in &every {
        let seen = client.call("seen", (value,), PATIENCE).unwrap();
        let Value::Array(seen) = &seen else { panic!("{seen:?}") };
        assert!(matches!(&seen[..], [Value::String(seen)] if seen.starts_with(in_python)), "{seen:?}, not {in_python}");
        assert_eq!(&client.call("echo", (value,), PATIENCE).unwrap(), value);
    }
    let all = Value::Array(every.iter().map(|(value, _)| value.clone()).collect());
    assert_eq!(client.call("echo", (&all,), PATIENCE).unwrap(), all);
    // Python reads a carriage return and does not write it so that it is read.
    let seen = client.call("seen", text("a\rb\r\n"), PATIENCE).unwrap();
    assert_eq!(seen, Value::Array(vec![text(r"str 'a\rb\r\n'")]));
    // So long that Python breaks it into lines.
    let bytes: Vec<u8> = (0..100_000).map(|n| n as u8).collect();
    assert_eq!(client.call("echo", (Value::Base64(bytes.clone()),), PATIENCE).unwrap(), Value::Base64(bytes));
}

#[needs("python3")]
#[test]
fn parameters_and_results_are_values_of_rust() {
    let peer = Peer::start();
    let client = client(&crew(), &peer);
    let sum = client.call("add", (1, 2), PATIENCE).unwrap();
    assert_eq!(i32::try_from_value(&sum).unwrap(), 3);
    let words = client.call("add", &["head", "start"][..], PATIENCE).unwrap();
    assert_eq!(String::try_from_value(&words).unwrap(), "headstart");
    let none = client.call("seen", (), PATIENCE).unwrap();
    assert_eq!(Vec::<String>::try_from_value(&none).unwrap(), Vec::<String>::new());
}

#[needs("python3")]
#[test]
fn a_fault_is_an_error_with_code_and_message() {
    let peer = Peer::start();
    let client = client(&crew(), &peer);
    let fault = |method| match client.call(method, (), PATIENCE) {
        Err(Error::Fault { code, message }) => (code, message),
        other => panic!("{other:?}"),
    };
    assert_eq!(fault("refuse"), (-42, "no <such> thing & no other".to_owned()));
    assert_eq!(fault("fail"), (1, "<class 'ValueError'>:went wrong".to_owned()));
    assert_eq!(fault("no.such.method").0, 1);
}

#[needs("python3")]
#[test]
fn a_multicall_tells_each_result_and_fault_apart() {
    let peer = Peer::start();
    let client = client(&crew(), &peer);
    let (one, two) = (Value::Integer(1), Value::Integer(2));
    let calls: [(&str, &[Value]); 4] = [
        ("add", &[one.clone(), two.clone()]),
        ("refuse", &[]),
        ("echo", &[structure([("faultCode", one)])]),
        ("add", &[two]),
    ];
    let results = client.multicall(&calls, PATIENCE).unwrap();
    assert_eq!(results[0], Ok(Value::Integer(3)));
    assert_eq!(results[1], Err(Fault { code: -42, message: "no <such> thing & no other".to_owned() }));
    assert_eq!(results[2], Ok(structure([("faultCode", Value::Integer(1))])), "a result like a fault is none");
    assert_eq!(results[3].as_ref().unwrap_err().code, 1);
    assert_eq!(results.len(), 4);
    assert_eq!(client.multicall(&[], PATIENCE).unwrap(), []);
    assert_eq!(peer.next("request")["fields"]["content-type"], "text/xml; charset=utf-8");
}

#[needs("python3")]
#[test]
fn a_server_tells_of_its_methods() {
    let peer = Peer::start();
    let client = client(&crew(), &peer);
    let methods = client.call("system.listMethods", (), PATIENCE).unwrap();
    let methods = Vec::<String>::try_from_value(&methods).unwrap();
    assert!(["echo", "system.methodHelp", "system.multicall"].iter().all(|name| methods.contains(&(*name).to_owned())));
    let help = client.call("system.methodHelp", "echo", PATIENCE).unwrap();
    assert_eq!(help, text("Returns what it is given."));
}

#[needs("python3")]
#[test]
fn each_call_has_a_connection_of_its_own_and_says_how_much_time_is_left() {
    let peer = Peer::start();
    let client = client(&crew(), &peer);
    for _ in 0..3 {
        client.call("add", (1, 2), PATIENCE).unwrap();
    }
    let requests: Vec<_> = (0..3).map(|_| peer.next("request")).collect();
    let connections: Vec<_> = requests.iter().map(|request| &request["connection"]).collect();
    assert!(connections[0] != connections[1] && connections[1] != connections[2], "{requests:?}");
    let fields = &requests[2]["fields"];
    let left: u64 = fields["x-request-timeout-ms"].as_str().unwrap().parse().unwrap();
    assert!(left > 0 && left <= PATIENCE.as_millis() as u64);
    assert_eq!(fields["accept"], "text/xml, application/xml");
    assert!(fields["x-attempt"].is_null() && fields["traceparent"].is_null());
}

/// Calls what hangs, and says how the call ended: by its deadline.
#[track_caller]
fn ends_in_time(client: &XmlRpc) {
    let began = Instant::now();
    let result = client.call("hang", (), TIMEOUT);
    let elapsed = began.elapsed();
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    assert!(elapsed >= TIMEOUT, "too early: {elapsed:?}");
    assert!(elapsed < TIMEOUT + Duration::from_secs(2), "too late: {elapsed:?}");
}

#[needs("python3")]
#[test]
fn a_method_that_hangs_ends_in_time_and_its_server_sees_the_client_go() {
    let peer = Peer::start();
    let crew = crew();
    let client = client(&crew, &peer);
    client.call("add", (1, 2), PATIENCE).unwrap();
    ends_in_time(&client);
    peer.sees_hanging_then_left();
    ends_in_time(&client);
    peer.sees_hanging_then_left();
    assert_eq!(client.call("add", (1, 2), PATIENCE).unwrap(), Value::Integer(3));
    assert_eq!(crew.stats().threads, 0, "a call on the caller's thread needs no other");
}

#[needs("python3")]
#[test]
fn a_canceled_call_ends_with_the_reason() {
    let peer = Peer::start();
    let client = client(&crew(), &peer);
    let token = CancelToken::new();
    let limit = TimeLimit::new(Deadline::Never, &token);
    let result = std::thread::scope(|scope| {
        let calling = scope.spawn(|| client.call("hang", (), limit));
        let hanging = peer.next("hanging")["connection"].clone();
        token.cancel(CancelReason::ClientGone);
        assert_eq!(peer.next("left")["connection"], hanging);
        calling.join().unwrap()
    });
    assert!(matches!(result, Err(Error::Canceled(CancelReason::ClientGone))), "{result:?}");
    let result = client.call("add", (1, 2), TimeLimit::new(Deadline::Never, &token));
    assert!(matches!(result, Err(Error::Canceled(CancelReason::ClientGone))), "{result:?}");
}

#[needs("python3")]
#[needs("python3")]
#[needs("python3")]
#[needs("python3")]
#[test]
fn two_servers_race_and_the_loser_is_ended() {
    let (slow, quick) = (Peer::start(), Peer::start());
    let crew = crew();
    let clients = [client(&crew, &slow), client(&crew, &quick)];
    let outcome = Race::new(&crew)
        .limit(PATIENCE)
        .schedule(Schedule::new(&[Duration::ZERO, Duration::from_millis(20)]).unwrap())
        .first(move |attempt| match attempt.number() {
            0 => clients[0].call("hang", (), attempt),
            hedge => clients[hedge].call("add", (1, 2), attempt),
        });
    let winner = outcome.winner().unwrap();
    assert_eq!((winner.attempt, &winner.value), (1, &Value::Integer(3)));
    slow.next("gone"); // whether or not it had come to call the method
}

#[needs("python3")]
#[test]
fn an_answer_has_a_limit_of_size_and_of_nesting() {
    let peer = Peer::start();
    let crew = crew();
    let limit = 10_000;
    let small = client_with(&crew, &peer, |settings| settings.max_response(limit).max_nesting(3));
    let value = small.call("text", 9_000, PATIENCE).unwrap();
    assert!(matches!(value, Value::String(text) if text.len() == 9_000));
    let result = small.call("text", 10_000, PATIENCE);
    assert!(matches!(result, Err(Error::BodyTooLarge { limit: 10_000 })), "{result:?}");
    assert!(small.call("nested", 3, PATIENCE).is_ok());
    for levels in [4, 40] {
        let result = small.call("nested", levels, PATIENCE);
        assert!(matches!(&result, Err(Error::XmlRpc(why)) if why.contains("deeper than 3")), "{result:?}");
    }
    let large = client(&crew, &peer);
    let value = large.call("text", 5_000_000, PATIENCE).unwrap();
    assert!(matches!(value, Value::String(text) if text.len() == 5_000_000));
    assert!(large.call("nested", 32, PATIENCE).is_ok());
    assert!(large.call("nested", 33, PATIENCE).is_err());
}

#[needs("python3")]
#[test]
fn a_call_is_a_url_and_its_answer_json() {
    let peer = Peer::start();
    let call: XmlRpcUrl = format!("xmlrpc://{}?method=seen&param=a%20b&param=1", peer.authority()).parse().unwrap();
    assert_eq!(call.url, peer.url());
    let value = client(&crew(), &peer).call(&call.method, call.values(), PATIENCE).unwrap();
    assert_eq!(to_json(&value), r#"["str 'a b'","str '1'"]"#);
}

#[cfg(feature = "https")]
mod over_tls {
    use super::*;
    use headstart::http::Certificates;

    /// A certificate for `localhost` and its key, in files of their own.
    struct Files {
        directory: std::path::PathBuf,
    }

    impl Files {
        fn new(test: &str) -> Files {
            let directory = std::env::temp_dir().join(format!("headstart-xmlrpc-{}-{test}", std::process::id()));
            std::fs::create_dir(&directory).unwrap();
            let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
            std::fs::write(directory.join("cert.pem"), made.cert.pem()).unwrap();
            std::fs::write(directory.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
            Files { directory }
        }

        fn peer(&self) -> Peer {
            Peer::start_tls(self.directory.join("cert.pem").as_os_str(), self.directory.join("key.pem").as_os_str())
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }

    #[needs("python3")]
    #[test]
    fn values_faults_and_hanging_methods_are_as_without() {
        let files = Files::new("as-without");
        let peer = files.peer();
        let client = client_with(&crew(), &peer, |settings| {
            settings.trusted(vec![Certificates::File(files.directory.join("cert.pem"))])
        });
        let value = Value::Base64((0..200_000).map(|n| n as u8).collect());
        assert_eq!(client.call("echo", (&value,), PATIENCE).unwrap(), value);
        assert!(matches!(client.call("refuse", (), PATIENCE), Err(Error::Fault { code: -42, .. })));
        ends_in_time(&client);
        peer.sees_hanging_then_left();
    }

    #[needs("python3")]
    #[test]
    fn a_certificate_nobody_trusts_is_refused() {
        let files = Files::new("untrusted");
        let peer = files.peer();
        let result = client(&crew(), &peer).call("add", (1, 2), PATIENCE);
        assert!(matches!(result, Err(Error::Tls { .. })), "{result:?}");
    }
}
