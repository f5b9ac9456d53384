//! A test that needs a program which is not installed cannot run, and must not count as passed. The test harness can
//! only be told so at compile time; so a build script looks for the programs, and [`needs`](macro@needs) makes
//! `#[ignore = "…"]` of its result.
//!
//! With `CI` set a missing program is a failure, so nothing is ignored but for want of a right, which cannot be
//! installed.

use proc_macro::{TokenStream, TokenTree};

/// Has the test ignored, with the reason, where one of these programs is not installed: `#[needs("curl", "python3")]`
/// above `#[test]`.
#[proc_macro_attribute]
pub fn needs(programs: TokenStream, test: TokenStream) -> TokenStream {
    let missing: Vec<&str> = env!("MISSING").split(' ').collect();
    let names = programs.into_iter().filter_map(|token| match token {
        TokenTree::Literal(name) => Some(name.to_string().trim_matches('"').to_owned()),
        _ => None,
    });
    let reasons: Vec<String> = names
        .filter(|name| missing.contains(&name.as_str()))
        .map(|name| format!("{name} is not installed: {}", how_to_install(&name)))
        .collect();
    if reasons.is_empty() || env!("IN_CI") == "true" && !reasons.iter().any(|reason| reason.starts_with("unshare")) {
        return test;
    }
    let mut marked: TokenStream = format!("#[ignore = {:?}]", reasons.join(", ")).parse().expect("an attribute");
    marked.extend(test);
    marked
}

fn how_to_install(name: &str) -> String {
    match name {
        "h11" | "requests" | "urllib3" | "websockets" => {
            format!("pip install {name}, and PYTHON=… if not for python3")
        }
        "mariadbd" => "apt-get install mariadb-server".to_owned(),
        "unshare" => {
            "apt-get install util-linux, and the right to make a mount namespace and to bind port 53".to_owned()
        }
        name => format!("apt-get install {name}"),
    }
}
