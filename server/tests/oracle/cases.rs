//! Requests by a grammar that often strays, and then by chance.
//!
//! A case is what one client sends over one connection: one to three requests, each put together from parts that are
//! right most of the time, and in a third of the cases changed afterwards, a few bytes at a time. The same seed and
//! number give the same case everywhere.

/// Case number `number` of the seed.
pub fn case(seed: u64, number: u64) -> Vec<u8> {
    let mut dice =
        Dice { state: seed.wrapping_mul(0xd134_2543_de82_ef95) ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15), calm: 1 };
    dice.calm = [1, 5, 20][dice.below(3)];
    let mut bytes = Vec::new();
    if dice.one_in(12 * dice.calm) {
        let lead = dice.pick(&["\r\n", "\r\n\r\n", "\n", " ", "\r", "\0", "\r\n \r\n"]);
        bytes.extend_from_slice(lead.as_bytes());
    }
    for _ in 0..1 + dice.below(3) {
        request(&mut dice, &mut bytes);
    }
    if dice.one_in(3) {
        for _ in 0..1 + dice.below(3) {
            mutate(&mut dice, &mut bytes);
        }
    }
    bytes
}

/// A source of chance that is a pure function of its seed (SplitMix64).
struct Dice {
    state: u64,
    /// How many times as rare as usual the strange is in this case: requests behind one another have to get through.
    calm: usize,
}

impl Dice {
    fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound as u64) as usize
    }

    fn one_in(&mut self, odds: usize) -> bool {
        self.below(odds) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// Something usual, or once in `odds` something from `strange`.
    fn or_strange<'a>(&mut self, odds: usize, usual: &[&'a str], strange: &[&'a str]) -> &'a str {
        if self.one_in(odds * self.calm) { self.pick(strange) } else { self.pick(usual) }
    }
}

fn request(dice: &mut Dice, out: &mut Vec<u8>) {
    let mut say = |part: &str| out.extend_from_slice(part.as_bytes());
    say(dice.or_strange(
        20,
        &["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"],
        &["CONNECT", "PRI", "get", "M-SEARCH", "!#$%&'*+-.^_`|~", "G(T", "", "GET\t", " GET", "GET\0", "G\u{e4}T"],
    ));
    say(dice.or_strange(40, &[" "], &["  ", "\t", "", " \t", "\r\n ", "\x0b"]));
    say(dice.or_strange(
        6,
        &["/", "/api/smart?timeout=5", "/a/b?c=d&e", "/%41%2f"],
        &[
            "*",
            "http://a/b",
            "http://a:80",
            "HTTPS://[::1]:8/x?y",
            "http://u@a/",
            "http:///a",
            "ftp://a/",
            "a:443",
            "a",
            "",
            "/a b",
            "/#frag",
            "/%zz",
            "/%4",
            "/\u{e4}",
            "/\x7f",
            "//a/b",
            "/a\\b",
            "/<>\"{}|^`",
            "/?",
            "?a",
            "http://a?b",
            "/\0",
        ],
    ));
    say(dice.or_strange(40, &[" "], &["  ", "\t", "", " \t", "\r\n "]));
    let version = dice.or_strange(
        14,
        &["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"],
        &[
            "HTTP/2.0",
            "HTTP/0.9",
            "HTTP/1.2",
            "HTTP/1.10",
            "HTTP/11",
            "http/1.1",
            "HTTP/1.1 ",
            "HTTP/ 1.1",
            "HTTP/3",
            "",
            "ICY/1.1",
            "HTTP/1,1",
        ],
    );
    say(version);
    let line_end = dice.or_strange(40, &["\r\n"], &["\n", "\r", "\r\r\n", " \r\n", "\r\n\n", "\0\r\n"]);
    say(line_end);
    say(dice.or_strange(
        10,
        &["Host: a\r\n", "Host: localhost:8081\r\n", "host:a.example\t \r\n", "HOST: [::1]:80\r\n"],
        &[
            "",
            "Host:\r\n",
            "Host: a\r\nHost: a\r\n",
            "Host: a\r\nhost: b\r\n",
            "Host: a b\r\n",
            "Host: a/b\r\n",
            "Host: u@a\r\n",
            "Host: a, b\r\n",
            "Host: [::1\r\n",
            "Host: a:b\r\n",
            "Host: a:123456\r\n",
            "Host : a\r\n",
            "Host\t: a\r\n",
            "Host: %41-_~!$&'()*+;=\r\n",
        ],
    ));
    for _ in 0..dice.below(4) {
        say(dice.or_strange(
            4,
            &["Accept: */*\r\n", "User-Agent: x y\tz\r\n", "X-Empty:\r\n", "Cookie: a=\"b\"; c\r\n", "X:   a   \r\n"],
            &[
                "Connection: close\r\n",
                "Connection: keep-alive\r\n",
                "Connection: Keep-Alive, x\r\n",
                "connection: x ,\tCLOSE\r\n",
                "Connection: closed\r\n",
                "Connection: close\r\nConnection: keep-alive\r\n",
                "Connection: upgrade\r\nUpgrade: h2c\r\n",
                "Expect: 100-continue\r\n",
                "Expect: 100-Continue\r\n",
                "Expect: 200-ok\r\n",
                "Expect:\r\n",
                "X: a\r\n b\r\n",
                "X: a\r\n\tb\r\n",
                "X : a\r\n",
                "X\t: a\r\n",
                ": a\r\n",
                "X\r\n",
                "X(: a\r\n",
                "X\u{e4}: a\r\n",
                "X: \u{e4}\u{fc}\r\n",
                "X: a\rb\r\n",
                "X: a\n",
                "X: \0\r\n",
                "X: \x01\r\n",
                "X: a\x7fb\r\n",
                "X: a\x0bb\r\n",
                "X:\x0c\r\n",
                " X: a\r\n",
                "X:: a\r\n",
                "\"X\": a\r\n",
                "Content_Length: 3\r\n",
                "Trailer: x\r\nTE: trailers\r\n",
            ],
        ));
    }
    body(dice, out);
}

/// The fields that say how the body is delimited, the end of the head, and the body.
fn body(dice: &mut Dice, out: &mut Vec<u8>) {
    match dice.below(10) {
        0..=3 => end_of_head(dice, out),
        4..=6 => {
            let length = dice.below(12);
            let text = length.to_string();
            let value = match dice.below(30 * dice.calm) {
                0 => format!("{text}, {text}"),
                1 => format!("{text},{}", length + 1),
                2 => format!("{text}\r\nContent-Length: {text}"),
                3 => format!("{text}\r\ncontent-length: {}", length + 1),
                4 => format!("+{text}"),
                5 => format!("-{text}"),
                6 => format!("00{text}"),
                7 => format!("{}{text}", "0".repeat(30)),
                8 => format!("0x{text}"),
                9 => format!("{text} {text}"),
                10 => "18446744073709551615".to_owned(),
                11 => "18446744073709551616".to_owned(),
                12 => "99999999999999999999999".to_owned(),
                13 => "65537".to_owned(),
                14 => String::new(),
                15 => format!("{text}\r\nTransfer-Encoding: chunked"),
                16 => format!("{text};"),
                17 => format!("\"{text}\""),
                18 => format!("{text}.0"),
                19 => format!("1_{text}"),
                20 => format!("{text}\x0b"),
                21 => format!("\u{b2}{text}"),
                _ => text,
            };
            let name = dice.or_strange(
                30,
                &["Content-Length:", "content-length: ", "CONTENT-LENGTH:\t"],
                &[
                    "Content-Length : ",
                    "Content-Length",
                    "Content-Length:\r\n ",
                    "\tContent-Length:",
                    "Content-Length\0:",
                ],
            );
            out.extend_from_slice(format!("{name}{value}\r\n").as_bytes());
            end_of_head(dice, out);
            out.extend_from_slice(&b"abcdefghijklmnop"[..length]);
        }
        _ => {
            let fields = dice.or_strange(
                5,
                &["Transfer-Encoding: chunked\r\n", "transfer-encoding:chunked \r\n", "TRANSFER-ENCODING: Chunked\r\n"],
                &[
                    "Transfer-Encoding: gzip, chunked\r\n",
                    "Transfer-Encoding: chunked, identity\r\n",
                    "Transfer-Encoding: identity\r\n",
                    "Transfer-Encoding: xchunked\r\n",
                    "Transfer-Encoding: chunked;q=1\r\n",
                    "Transfer-Encoding: \"chunked\"\r\n",
                    "Transfer-Encoding:\r\n",
                    "Transfer-Encoding: ,chunked\r\n",
                    "Transfer-Encoding: chunked,\r\n",
                    "Transfer-Encoding : chunked\r\n",
                    "Transfer-Encoding:\x0bchunked\r\n",
                    "Transfer-Encoding: chunked\x00\r\n",
                    "Transfer-Encoding:\r\n chunked\r\n",
                    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
                    "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                    "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
                    "X: y\nTransfer-Encoding: chunked\r\n",
                    "Transfer_Encoding: chunked\r\n",
                ],
            );
            out.extend_from_slice(fields.as_bytes());
            end_of_head(dice, out);
            chunks(dice, out);
        }
    }
}

fn end_of_head(dice: &mut Dice, out: &mut Vec<u8>) {
    out.extend_from_slice(dice.or_strange(60, &["\r\n"], &["\n", "\r", "\r\r\n", " \r\n", ""]).as_bytes());
}

fn chunks(dice: &mut Dice, out: &mut Vec<u8>) {
    for _ in 0..dice.below(4) {
        let length = 1 + dice.below(12);
        let size = match dice.below(40 * dice.calm) {
            0 => format!("{}{length:x}", "0".repeat(24)),
            1 => format!("0x{length:x}"),
            2 => format!("+{length:x}"),
            3 => format!(" {length:x}"),
            4 => format!("-{length:x}"),
            5 => format!("{:x}", length + 1),
            6 => format!("{:x}", length - 1),
            7 => "ffffffffffffffff".to_owned(),
            8 => "10000000000000000".to_owned(),
            9 => format!("1{}{length:x}", "0".repeat(15)),
            10 => "10001".to_owned(),
            11 => String::new(),
            12 => "g".to_owned(),
            13 => format!("{length:x}_0"),
            14..=20 => format!("{length:X}"),
            21 => format!("00{length:x}"),
            _ => format!("{length:x}"),
        };
        out.extend_from_slice(size.as_bytes());
        line_end_of_chunk(dice, out);
        out.extend_from_slice(&b"0\r\nbcdGET / abcdef"[..length]);
        out.extend_from_slice(
            dice.or_strange(25, &["\r\n"], &["\n", "\r", "", "a\r\n", "\r\n\r\n", "\0\0"]).as_bytes(),
        );
    }
    out.extend_from_slice(dice.or_strange(25, &["0", "000"], &["", "00x", "-0", "0 0"]).as_bytes());
    line_end_of_chunk(dice, out);
    if dice.one_in(4) {
        let trailer = dice.or_strange(
            3,
            &["X: y\r\n", "X-Check:\r\nY: \u{e4} \r\n"],
            &[
                "X : y\r\n",
                " X: y\r\n",
                "X: y\r\n z\r\n",
                "X\r\n",
                ": y\r\n",
                "X: y\n",
                "X: \0\r\n",
                "X: \x01\r\n",
                "X: a\rb\r\n",
                "Content-Length: 9\r\n",
                "Transfer-Encoding: chunked\r\n",
            ],
        );
        out.extend_from_slice(trailer.as_bytes());
    }
    out.extend_from_slice(dice.or_strange(30, &["\r\n"], &["\n", "\r", "", " \r\n", "\r\r\n"]).as_bytes());
}

fn line_end_of_chunk(dice: &mut Dice, out: &mut Vec<u8>) {
    let end = dice.or_strange(
        8,
        &["\r\n"],
        &[
            ";a\r\n",
            ";a=b\r\n",
            ";a=\"b;c\\\"\"\r\n",
            " ; a = b ;c\r\n",
            ";\r\n",
            ";=b\r\n",
            ";a=\r\n",
            ";a b\r\n",
            ";a=\"b\r\n",
            ";a\n",
            ";a\r;\n\r\n",
            ";a\0\r\n",
            ";\u{e4}\r\n",
            " \r\n",
            "\t\r\n",
            "\n",
            "\r",
            "\r\r\n",
            ",a\r\n",
        ],
    );
    out.extend_from_slice(end.as_bytes());
}

/// Changes a little, anywhere.
fn mutate(dice: &mut Dice, bytes: &mut Vec<u8>) {
    const BYTES: &[u8] = b"\r\n\t \0:;,=+-/0159afx\"%#*\x0b\x0c\x7f\x80\xa0\xff{(";
    if bytes.is_empty() {
        return;
    }
    let at = dice.below(bytes.len());
    let byte = if dice.one_in(4) { dice.roll() as u8 } else { BYTES[dice.below(BYTES.len())] };
    match dice.below(8) {
        0 | 1 => bytes.insert(at, byte),
        2 => bytes[at] = byte,
        3 => drop(bytes.remove(at)),
        4 if at + 1 < bytes.len() => bytes.swap(at, at + 1),
        5 => bytes.truncate(at),
        6 => {
            // A piece again, somewhere else.
            let piece = bytes[at..bytes.len().min(at + 1 + dice.below(40))].to_vec();
            let to = dice.below(bytes.len());
            bytes.splice(to..to, piece);
        }
        _ => {
            let end = bytes.len().min(at + 1 + dice.below(8));
            bytes.drain(at..end);
        }
    }
}
