//! How a test runs that must not share something with others: a process, or the machine's time.

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Keeps to the caller what the tests of a program must not use at the same time: the machine, while a promise about
/// wall-clock time is checked.
#[must_use = "the turn ends when it is dropped"]
pub fn in_turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // A test that failed in its turn takes nothing from the next.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives a test a process of its own: it counts what belongs to a whole process, or changes it.
///
/// The test says `alone!();` first. In the test program, that runs it again in another process, waits for its end and
/// returns from the test; there, the test goes on.
#[macro_export]
macro_rules! alone {
    () => {
        // Named after the function that it is in.
        fn here() {}
        if $crate::in_a_process_of_its_own(std::any::type_name_of_val(&here)) {
            return;
        }
    };
}

/// The part of [`alone`] that is no macro: whether the test ran, in a process of its own.
#[track_caller]
pub fn in_a_process_of_its_own(here: &str) -> bool {
    const CHILD: &str = "HEADSTART_TEST_ALONE";
    if std::env::var_os(CHILD).is_some() {
        return false;
    }
    let (_program, inside) = here.split_once("::").expect("a path in this program");
    let test = inside.strip_suffix("::here").expect("the function of the macro");
    let run = Command::new(std::env::current_exe().expect("this program"))
        // With one thread, a test runs on the main thread: no other one is there.
        .args([test, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .expect("this program runs again");
    let (stdout, stderr) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(stdout.contains("running 1 test\n"), "no test {test}: {stdout}");
    print!("{stdout}");
    assert!(run.status.success(), "{stderr}");
    true
}
