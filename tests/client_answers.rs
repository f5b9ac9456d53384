//! What counts as a success, what a failure says, and what is sent.

#![cfg(feature = "http")]

use headstart::http::{Call, Calls, Start};
use headstart::race::{Cause, Schedule};
use headstart::{Client, ClientSettings, Crew, CrewSettings, Deadline, Error};
use headstart_testing::PATIENCE;
use headstart_testing::upstream::{Behavior, FakeUpstream, answer, answer_with};
use std::time::Duration;

fn crew() -> Crew {
    Crew::new(CrewSettings::default()).unwrap()
}

/// One attempt only.
fn client(crew: &Crew, url: String, change: impl FnOnce(ClientSettings) -> ClientSettings) -> Client {
    let settings = change(ClientSettings::new([url]).schedule(Schedule::new(&[Duration::ZERO]).unwrap()));
    Client::new(crew, settings).unwrap()
}

/// What a client makes of an upstream that says `bytes`.
fn made_of(behavior: Behavior) -> Result<String, Error> {
    let (crew, fake) = (crew(), FakeUpstream::start(behavior));
    client(&crew, fake.url(), |settings| settings.max_body(1 << 20)).get(PATIENCE).map(|json| json.as_str().to_owned())
}

#[test]
fn the_body_comes_through_byte_for_byte() {
    for body in [
        "{}",
        " [1, 2.50,\t1e400]\r\n",
        r#"{"b":123456789012345678901234567890,"a":0.1000,"a":"\u00e9\ud800"}"#,
        "\"gr\u{fc}n \u{1f7e2}\"",
        "null",
    ] {
        assert_eq!(made_of(Behavior::Says(answer(body))).unwrap(), body);
    }
}

#[test]
fn chunked_and_close_delimited_bodies_are_read_to_their_end() {
    let chunked = b"HTTP/1.1 200 OK\r\ncontent-type: text/json\r\ntransfer-encoding: chunked\r\n\r\n\
        3\r\n[1,\r\n4;x=y\r\n2,3]\r\n0\r\ntrailer: yes\r\n\r\n";
    assert_eq!(made_of(Behavior::Says(chunked.to_vec())).unwrap(), "[1,2,3]");
    let closed = b"HTTP/1.1 200 OK\r\ncontent-type: application/x+json\r\n\r\n{\"a\":1}";
    assert_eq!(made_of(Behavior::SaysAndCloses(closed.to_vec())).unwrap(), r#"{"a":1}"#);
}

#[test]
fn bodies_and_heads_larger_than_the_buffers_come_through() {
    let body = format!("[{}0]", "123456789,".repeat(90_000));
    assert_eq!(made_of(Behavior::Says(answer(&body))).unwrap(), body);

    let large_head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-large: {}\r\ncontent-length: 2\r\n\r\n{{}}",
        "h".repeat(60_000)
    );
    assert_eq!(made_of(Behavior::Says(large_head.into_bytes())).unwrap(), "{}");
    let too_large = format!("HTTP/1.1 200 OK\r\nx-large: {}\r\ncontent-length: 2\r\n\r\n{{}}", "h".repeat(70_000));
    let result = made_of(Behavior::Says(too_large.into_bytes()));
    assert!(matches!(result, Err(Error::Protocol(_))), "{result:?}");
}

#[test]
fn interim_responses_are_passed_over() {
    let mut bytes = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".to_vec();
    bytes.extend(answer("{}"));
    assert_eq!(made_of(Behavior::Says(bytes)).unwrap(), "{}");
}

#[test]
fn any_status_but_200_is_a_failure() {
    for status in [201, 204, 301, 404, 500, 503] {
        let result = made_of(Behavior::Says(answer_with(&format!("{status} X"), "application/json", "")));
        assert!(matches!(result, Err(Error::Status(found)) if found == status), "{result:?}");
    }
}

#[test]
fn any_type_but_json_is_a_failure() {
    let result = made_of(Behavior::Says(answer_with("200 OK", "text/html", "{}")));
    assert!(matches!(&result, Err(Error::ContentType(Some(found))) if found == "text/html"), "{result:?}");
    let result = made_of(Behavior::Says(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec()));
    assert!(matches!(result, Err(Error::ContentType(None))), "{result:?}");
}

#[test]
fn malformed_json_is_a_failure() {
    for body in ["", "{", "{}{}", "nul", "\u{feff}{}"] {
        let result = made_of(Behavior::Says(answer(body)));
        assert!(matches!(result, Err(Error::Json(_))), "{body:?}: {result:?}");
    }
    let not_utf8 = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 3\r\n\r\n\"\xff\"".to_vec();
    assert!(matches!(made_of(Behavior::Says(not_utf8)), Err(Error::Json(_))));
}

#[test]
fn truncated_bodies_are_failures() {
    let closed = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"a\":".to_vec();
    let result = made_of(Behavior::SaysAndCloses(closed));
    assert!(matches!(result, Err(Error::Json(_))), "{result:?}");
    let counted = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{}".to_vec();
    let result = made_of(Behavior::SaysAndCloses(counted));
    assert!(matches!(result, Err(Error::Lost { .. })), "{result:?}");
    let chunked = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n";
    let result = made_of(Behavior::SaysAndCloses(chunked.to_vec()));
    assert!(matches!(result, Err(Error::Lost { .. })), "{result:?}");
}

#[test]
fn a_reset_is_no_end_of_a_body_even_when_it_parses() {
    let says = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n123".to_vec();
    let result = made_of(Behavior::SaysAndResets(says));
    assert!(matches!(result, Err(Error::Lost { .. })), "{result:?}");
}

#[test]
fn what_is_not_http_is_a_failure() {
    let result = made_of(Behavior::SaysAndCloses(b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec()));
    assert!(matches!(result, Err(Error::Protocol(_))), "{result:?}");
}

#[test]
fn a_body_larger_than_allowed_is_a_failure_declared_or_not() {
    let declared = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n".to_vec();
    for behavior in [Behavior::Says(declared), Behavior::EndlessBody] {
        let result = made_of(behavior);
        assert!(matches!(result, Err(Error::BodyTooLarge { limit: 1_048_576 })), "{result:?}");
    }
    let (crew, fake) = (crew(), FakeUpstream::start(Behavior::Answers("[1]")));
    assert!(client(&crew, fake.url(), |settings| settings.max_body(3)).get(PATIENCE).is_ok());
    let result = client(&crew, fake.url(), |settings| settings.max_body(2)).get(PATIENCE);
    assert!(matches!(result, Err(Error::BodyTooLarge { limit: 2 })), "{result:?}");
}

#[test]
fn nobody_listening_is_said_with_the_address() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let result = client(&crew(), format!("http://{address}/"), |settings| settings).get(PATIENCE);
    let Err(error) = result else { panic!("{result:?}") };
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[test]
fn an_unknown_name_is_said() {
    struct KnowsNothing;
    impl headstart::Lookup for KnowsNothing {
        fn lookup(&self, host: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
            Err(std::io::Error::new(std::io::ErrorKind::NotFound, format!("{host} who?")))
        }
    }
    let client = client(&crew(), "http://upstream.test/".to_owned(), |settings| {
        settings.lookup(std::sync::Arc::new(KnowsNothing))
    });
    let error = client.get(PATIENCE).unwrap_err();
    assert_eq!(error.to_string(), "no address for 'upstream.test': upstream.test who?");
}

#[test]
fn a_look_up_that_gets_no_thread_says_so() {
    let crew = Crew::new(CrewSettings::default().max_threads(0)).unwrap();
    let result = client(&crew, "http://upstream.test/".to_owned(), |settings| settings).get(PATIENCE);
    assert!(matches!(result, Err(Error::NoThread { bound: 0 })), "{result:?}");
}

#[test]
fn the_second_address_is_tried_when_the_first_refuses() {
    struct TwoAddresses;
    impl headstart::Lookup for TwoAddresses {
        fn lookup(&self, _: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
            Ok(vec!["127.0.0.2".parse().unwrap(), "127.0.0.1".parse().unwrap()])
        }
    }
    let (crew, fake) = (crew(), FakeUpstream::start(Behavior::Answers("{}")));
    let url = format!("http://upstream.test:{}/", fake.address().port());
    let client = client(&crew, url, |settings| settings.lookup(std::sync::Arc::new(TwoAddresses)));
    assert!(client.get(PATIENCE).is_ok());
}

/// The value of a field in a request's head.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn attempts_carry_their_number_the_trace_and_the_time_left() {
    const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let (crew, fake) = (crew(), FakeUpstream::start(Behavior::Answers("{}")));
    let client = client(&crew, fake.url(), |settings| settings.schedule(Schedule::default().at_once()));
    let call = Call::new(Duration::from_secs(9)).start(Start::AtOnce).traceparent(TRACEPARENT);
    assert_eq!(client.all(&call).successes.len(), 3);

    let heads: Vec<String> = (0..3).map(|_| fake.next_request()).collect();
    let mut numbers: Vec<_> = heads.iter().map(|head| field(head, "x-attempt").unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, ["0", "1", "2"]);
    let mut parents = Vec::new();
    for head in &heads {
        assert!(head.starts_with("GET /api/work HTTP/1.1\r\n"), "{head}");
        assert_eq!(field(head, "host"), Some(&*fake.address().to_string()));
        assert_eq!(field(head, "accept-encoding"), Some("identity"));
        assert_eq!(field(head, "user-agent"), Some(concat!("headstart/", env!("CARGO_PKG_VERSION"))));
        let left: u64 = field(head, "x-request-timeout-ms").unwrap().parse().unwrap();
        assert!((5_000..=9_000).contains(&left), "{left}");
        let sent = field(head, "traceparent").unwrap();
        assert_eq!((&sent[..36], &sent[52..]), (&TRACEPARENT[..36], &TRACEPARENT[52..]));
        parents.push(&sent[36..52]);
    }
    parents.push(&TRACEPARENT[36..52]);
    parents.sort_unstable();
    parents.dedup();
    assert_eq!(parents.len(), 4, "each attempt is a parent of its own");
}

#[test]
fn without_a_deadline_no_time_left_is_sent_and_the_field_can_be_renamed() {
    let (crew, fake) = (crew(), FakeUpstream::start(Behavior::Answers("{}")));
    let client = client(&crew, fake.url(), |settings| settings.timeout_header("X-Budget".to_owned()));
    client.first(&Call::new(Deadline::Never));
    let head = fake.next_request();
    assert_eq!((field(&head, "x-budget"), field(&head, "x-request-timeout-ms")), (None, None));
    client.get(Duration::from_secs(9)).unwrap();
    let head = fake.next_request();
    assert!(field(&head, "x-budget").is_some() && field(&head, "x-request-timeout-ms").is_none(), "{head}");
}

#[test]
fn upstreams_take_turns() {
    let fakes: Vec<_> = (0..3).map(|_| FakeUpstream::start(Behavior::Answers("{}"))).collect();
    let client = client(&crew(), String::new(), |settings| settings.upstreams(fakes.iter().map(FakeUpstream::url)));
    for _ in 0..6 {
        client.get(PATIENCE).unwrap();
    }
    assert_eq!(fakes.iter().map(FakeUpstream::requests).collect::<Vec<_>>(), [2, 2, 2]);
}

fn redirect_to(url: &str) -> Behavior {
    Behavior::Says(format!("HTTP/1.1 302 Found\r\nlocation: {url}\r\ncontent-length: 0\r\n\r\n").into_bytes())
}

#[test]
fn redirects_are_followed_only_when_asked() {
    let crew = crew();
    let target = FakeUpstream::start(Behavior::Answers("{}"));
    let fake = FakeUpstream::start(redirect_to(&target.url()));
    let result = client(&crew, fake.url(), |settings| settings).get(PATIENCE);
    assert!(matches!(result, Err(Error::Status(302))), "{result:?}");
    assert_eq!(target.requests(), 0);

    let follows = client(&crew, fake.url(), |settings| settings.max_redirects(1));
    assert_eq!(follows.get(PATIENCE).unwrap().as_str(), "{}");
    assert_eq!(field(&target.next_request(), "host"), Some(&*target.address().to_string()));
    let round = FakeUpstream::start(redirect_to("/again"));
    let result = client(&crew, round.url(), |settings| settings.max_redirects(2)).get(PATIENCE);
    assert!(matches!(result, Err(Error::Status(302))), "{result:?}");
    assert_eq!(round.requests(), 3);
}

#[test]
fn proxies_of_the_environment_are_not_asked() {
    let (tested, wanted) = ("client_answers::a_call_under_proxy_variables", std::env::current_exe().unwrap());
    let nowhere = "http://127.0.0.1:1";
    let output = std::process::Command::new(wanted)
        .args(["--exact", tested, "--ignored"])
        .envs(["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"].map(|name| (name, nowhere)))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "run by the test above"]
fn a_call_under_proxy_variables() {
    let (crew, fake) = (crew(), FakeUpstream::start(Behavior::Answers("{}")));
    client(&crew, fake.url(), |settings| settings).get(PATIENCE).unwrap();
}

#[test]
fn a_proxy_that_is_asked_for_is_used() {
    // The proxy says yes to CONNECT and then answers for the upstream.
    let (crew, proxy) = (
        crew(),
        FakeUpstream::start(Behavior::TakesTurns(
            [Behavior::Says(b"HTTP/1.1 200 Connected\r\n\r\n".to_vec()), Behavior::Answers("{}")].into(),
        )),
    );
    let client = client(&crew, "http://127.0.0.1:1/x".to_owned(), |settings| {
        settings.proxy(format!("http://{}", proxy.address()))
    });
    client.get(PATIENCE).unwrap();
    assert!(proxy.next_request().starts_with("CONNECT 127.0.0.1:1 "));
    assert!(proxy.next_request().starts_with("GET /x "));
}

#[test]
fn settings_that_cannot_be_are_refused_by_name() {
    let refused = |change: &dyn Fn(ClientSettings) -> ClientSettings| {
        let settings = change(ClientSettings::new(["http://127.0.0.1/".to_owned()]));
        match Client::new(&crew(), settings) {
            Err(Error::Setting { key, value, allowed }) => (key, value, allowed),
            other => panic!("{other:?}"),
        }
    };
    for url in [
        "",
        "nonsense",
        "/path",
        "ftp://host/",
        "http://",
        "http:///path",
        "127.0.0.1:80",
        "http://a:ge/",
        "http://a:65536/",
        "http://[::1]x/",
    ] {
        let (key, value, allowed) = refused(&|settings| settings.upstreams(vec![url.to_owned()]));
        assert_eq!((&*key, &*value), ("upstream", url));
        assert!(allowed.contains("http://"), "{allowed}");
    }
    let (key, value, _) = refused(&|settings| settings.upstreams(vec!["http://me:secret@host/".to_owned()]));
    assert_eq!(key, "upstream");
    assert!(!value.contains("secret"), "{value}");
    assert_eq!(refused(&|settings| settings.upstreams(Vec::<String>::new())).0, "upstream");
    assert_eq!(refused(&|settings| settings.timeout_header("x y".to_owned())).0, "timeout-header");
    assert_eq!(refused(&|settings| settings.connect_timeout(Duration::ZERO)).0, "connect-timeout");
    assert_eq!(refused(&|settings| settings.proxy("?".to_owned())).0, "proxy");
}

#[test]
fn a_hedge_that_wins_saves_a_call_whose_primary_fails() {
    let turns = [Behavior::Says(answer_with("500 X", "text/plain", "no")), Behavior::Answers("{}")];
    let (crew, fake) = (crew(), FakeUpstream::start(Behavior::TakesTurns(turns.into())));
    let client = client(&crew, fake.url(), |settings| {
        settings
            .schedule(Schedule::new(&[Duration::ZERO, Duration::from_secs(60)]).unwrap())
            .after_failure(headstart::AfterFailure::Hedge)
    });
    let outcome = client.first(&Call::new(PATIENCE));
    assert_eq!(outcome.winner().map(|winner| winner.attempt), Some(1));
    assert!(matches!(outcome.failures[0].cause, Cause::Error(Error::Status(500))));
}

#[test]
fn a_url_may_have_a_query_without_a_path() {
    for max_redirects in [0, 1] {
        let (crew, fake) = (crew(), FakeUpstream::start(Behavior::Answers("{}")));
        let url = format!("http://{}?x=1", fake.address());
        client(&crew, url, |settings| settings.max_redirects(max_redirects)).get(PATIENCE).unwrap();
        let head = fake.next_request();
        assert!(head.starts_with("GET /?x=1 HTTP/1.1\r\n"), "{head}");
    }
}

#[test]
fn a_body_that_nobody_wants_is_not_waited_for() {
    const SAYS: &[u8] = b"HTTP/1.1 500 Oops\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\noo";
    for calls in [Calls::Wire, Calls::Ureq] {
        let (crew, fake) = (crew(), FakeUpstream::start(Behavior::Says(SAYS.to_vec())));
        let client = client(&crew, fake.url(), |settings| settings.calls(calls));
        assert!(matches!(client.get(PATIENCE), Err(Error::Status(500))), "{calls:?}");
        assert_eq!(client.idle_connections(), 0, "more may come");
    }
}

#[test]
fn the_statuses_that_are_a_success_can_be_said_and_json_it_has_to_be() {
    for calls in [Calls::Wire, Calls::Ureq] {
        for (status, content_type, wins) in [
            ("201 Created", "application/json", true),
            ("404 Not Found", "application/problem+json", true),
            ("200 OK", "application/json", false),
            ("201 Created", "text/html", false),
        ] {
            let (crew, fake) = (crew(), FakeUpstream::start(Behavior::Says(answer_with(status, content_type, "[1]"))));
            let client =
                client(&crew, fake.url(), |settings| settings.calls(calls).success("201-299,404".parse().unwrap()));
            match client.get(PATIENCE) {
                Ok(json) => assert!(wins && json.as_str() == "[1]", "{status}"),
                Err(Error::Status(200)) => assert_eq!(status, "200 OK"),
                Err(Error::ContentType(_)) => assert_eq!(content_type, "text/html"),
                Err(error) => panic!("{status}: {error:?}"),
            }
        }
    }
}
