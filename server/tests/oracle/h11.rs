//! Asking h11.

use crate::verdict::Verdict;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::{Command, Stdio};

/// The variable `PYTHON` names another one than `python3`.
fn python() -> Command {
    Command::new(std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into()))
}

/// Hands each case, our verdict and what came of its comparison with h11's to `hear`, in order.
pub fn ask(
    cases: impl Iterator<Item = (Vec<u8>, Verdict)> + Clone + Send,
    mut hear: impl FnMut(Vec<u8>, Verdict, &str),
) {
    let mut process = python()
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/compare.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdin = process.stdin.take().unwrap();
    let mut answers = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    std::thread::scope(|scope| {
        let told = cases.clone();
        scope.spawn(move || {
            let mut stdin = BufWriter::new(stdin);
            for (case, ours) in told {
                let words = ours.words(&case);
                for block in [case.as_slice(), words.as_bytes()] {
                    stdin.write_all(&(block.len() as u32).to_le_bytes()).unwrap();
                    stdin.write_all(block).unwrap();
                }
            }
        });
        for (case, ours) in cases {
            hear(case, ours, &answers.next().expect("an answer to each case"));
        }
    });
    assert!(process.wait().unwrap().success());
}
