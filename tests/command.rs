//! A program's output, status or failure comes back by the deadline, and whatever it started is gone soon after.

#![cfg(all(feature = "command", target_os = "linux"))]

use crate::support::core::{FAR, SOON, crew, eventually, next, schedule};
use crate::support::marked::{Mark, is_known};
use crossbeam_channel::{Receiver, bounded};
use headstart::command::{Output, Program, Status};
use headstart::{CancelReason, CancelToken, Crew, CrewSettings, Deadline, Error, Phase, Race, TimeLimit};
use std::io;
use std::thread;
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(100);
/// Longer than any test takes, so that what is gone was ended before it.
const PATIENT: Duration = Duration::from_secs(300);

fn run(program: &Program) -> Output {
    program.run(&crew(4), SOON).unwrap()
}

/// Runs `program` on a thread of its own until the token is canceled, and sends what comes of it.
fn begin(crew: &Crew, program: Program) -> (CancelToken, Receiver<Result<Output, Error>>) {
    let token = CancelToken::new();
    let (result, results) = bounded(1);
    let (crew, limit) = (crew.clone(), TimeLimit::new(Deadline::after(FAR), &token));
    thread::spawn(move || result.send(program.run(&crew, limit)));
    (token, results)
}

/// The processes of `mark` once there are so many.
fn running(mark: &Mark, count: usize) -> Vec<u32> {
    let mut processes = Vec::new();
    eventually("all have begun", || {
        processes = mark.processes();
        processes.len() == count
    });
    processes
}

fn until_gone(processes: &[u32]) {
    eventually("all are gone, none is a zombie", || !processes.iter().any(|process| is_known(*process)));
}

fn until_at_rest(crew: &Crew) {
    eventually("no thread is busy, no call is stuck", || {
        let stats = crew.stats();
        stats.idle == stats.threads && stats.stuck.is_empty()
    });
}

#[test]
fn both_outputs_and_the_status_come_back() {
    let output = run(&Program::new("sh")
        .args(["-c", "echo \"$1\"; echo >&2 \"$WORD\"; pwd; exit 3", "sh", "a  b"])
        .env("WORD", "said")
        .current_dir("/"));
    assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"a  b\n/\n"[..], &b"said\n"[..]));
    assert_eq!(output.status, Status::Exited(3));
    assert!(!output.status.is_success());
}

#[test]
fn a_signal_that_ended_it_is_told() {
    assert_eq!(run(&Program::new("sh").args(["-c", "kill -KILL $$"])).status, Status::Signaled(9));
    assert_eq!(run(&Program::new("sh").args(["-c", "kill -SEGV $$"])).status, Status::Signaled(11));
}

#[test]
fn arguments_pass_as_they_are_and_no_shell_sees_them() {
    let output = run(&Program::new("printf").args(["%s|", "$HOME", "a b", "`id`", ""]));
    assert_eq!(output.stdout, b"$HOME|a b|`id`||");
}

#[test]
fn the_environment_is_ours_unless_it_is_left_out() {
    let path = std::env::var("PATH").unwrap();
    let with = run(&Program::new("/usr/bin/env").env("OWN", "1"));
    let with = String::from_utf8(with.stdout).unwrap();
    assert!(with.contains(&format!("PATH={path}\n")) && with.contains("OWN=1\n"), "{with}");
    let without = run(&Program::new("/usr/bin/env").without_our_env().env("OWN", "1"));
    assert_eq!(without.stdout, b"OWN=1\n");
}

#[test]
fn outputs_beyond_what_a_pipe_holds_come_complete_from_both_at_once() {
    let script = "head -c 3000000 /dev/zero >&2 & head -c 3000000 /dev/zero; wait";
    let output = run(&Program::new("sh").args(["-c", script]).max_output(3_000_000));
    assert_eq!((output.stdout.len(), output.stderr.len()), (3_000_000, 3_000_000));
}

#[test]
fn input_beyond_what_a_pipe_holds_passes_while_output_comes() {
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| number as u8).collect();
    assert!(run(&Program::new("cat").stdin(&bytes).max_output(bytes.len())).stdout == bytes);
}

#[test]
fn input_that_nobody_reads_holds_nobody_up() {
    let unread = Program::new("true").stdin(vec![b'x'; 3_000_000]);
    assert_eq!(run(&unread).status, Status::Exited(0));
    let closed = Program::new("sh").args(["-c", "exec <&-; echo still here"]).stdin(vec![b'x'; 3_000_000]);
    assert_eq!(run(&closed).stdout, b"still here\n");
    let late = Program::new("sleep").arg("300").stdin(vec![b'x'; 3_000_000]).run(&crew(4), SHORT);
    assert!(matches!(late, Err(Error::TimedOut { .. })), "{late:?}");
}

#[test]
fn a_timeout_tells_what_the_program_had_got_to() {
    let phase = |script: &str, input: usize| {
        let program = Program::new("sh").args(["-c", script]).stdin(vec![b'x'; input]);
        match program.run(&crew(4), Duration::from_millis(500)) {
            Err(Error::TimedOut { during }) => during,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(phase("sleep 300", 3_000_000), Phase::Send);
    assert_eq!(phase("sleep 300", 0), Phase::Head);
    assert_eq!(phase("echo begun; sleep 300", 0), Phase::Body);
}

#[test]
fn without_input_the_program_reads_its_end_at_once() {
    assert_eq!(run(&Program::new("cat")).stdout, b"");
}

#[test]
fn a_program_that_cannot_start_fails_with_what_the_system_said() {
    for (program, kind) in [
        ("/no/such/program", io::ErrorKind::NotFound),
        ("no-such-program-anywhere", io::ErrorKind::NotFound),
        ("/etc/passwd", io::ErrorKind::PermissionDenied),
        ("/", io::ErrorKind::PermissionDenied),
        ("a\0b", io::ErrorKind::InvalidInput),
    ] {
        match Program::new(program).run(&crew(4), SOON) {
            Err(Error::ProgramStart { program: named, source }) => {
                assert_eq!((&*named, source.kind()), (program, kind))
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_ended_by_its_time_is_gone_with_all_its_children() {
    let (crew, mark) = (crew(4), Mark::new());
    let begun = Instant::now();
    let result = mark.sh("sleep 300 & sleep 300 & wait").run(&crew, SHORT);
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    assert!(begun.elapsed() >= SHORT && begun.elapsed() < SOON / 2, "{:?}", begun.elapsed());
    eventually("all are gone", || mark.processes().is_empty());
    until_at_rest(&crew);
}

#[test]
fn canceling_ends_it_and_all_its_children() {
    let (crew, mark) = (crew(4), Mark::new());
    let (token, results) = begin(&crew, mark.sh("sleep 300 & (sleep 300; true) & wait"));
    let processes = running(&mark, 4);
    token.cancel(CancelReason::ClientGone);
    let result = next(&results);
    assert!(matches!(result, Err(Error::Canceled(CancelReason::ClientGone))), "{result:?}");
    until_gone(&processes);
    until_at_rest(&crew);
}

#[test]
fn a_limit_that_is_over_starts_nothing() {
    let (crew, mark) = (crew(4), Mark::new());
    let token = CancelToken::new();
    token.cancel(CancelReason::Shutdown);
    let touch = mark.program("/no/such/program");
    let canceled = touch.run(&crew, TimeLimit::new(Deadline::Never, &token));
    assert!(matches!(canceled, Err(Error::Canceled(CancelReason::Shutdown))), "{canceled:?}");
    assert!(matches!(touch.run(&crew, Duration::ZERO), Err(Error::TimedOut { .. })));
}

#[test]
fn a_program_that_ends_itself_when_asked_is_given_the_time() {
    let (crew, mark) = (crew(4), Mark::new());
    let file = std::env::temp_dir().join(format!("headstart-command-{}", std::process::id()));
    // Says its last words to a file, since nobody reads its output any more; what a child does takes longer than any
    // switch.
    let script = "trap 'sleep 0.2; echo bye > \"$1\"; exit 0' TERM; sleep 300 & wait";
    let program = mark.program("sh").args(["-c", script, "sh"]).arg(&file).grace(PATIENT);
    let (token, results) = begin(&crew, program);
    let processes = running(&mark, 2);
    // Until it is another program, the shell's child has the shell's handler, and may lose the signal.
    eventually("one of them sleeps", || {
        let name = |process| std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
        processes.iter().any(|process| name(process) == "sleep\n")
    });
    token.cancel(CancelReason::ClientGone);
    assert!(matches!(next(&results), Err(Error::Canceled(_))));
    until_gone(&processes);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "bye\n");
    std::fs::remove_file(&file).unwrap();
    until_at_rest(&crew);
}

#[test]
fn one_that_ignores_the_request_is_killed_after_the_grace_which_the_caller_does_not_wait_for() {
    const GRACE: Duration = Duration::from_millis(600);
    let (crew, mark) = (crew(4), Mark::new());
    let program = mark.sh("trap '' TERM; sleep 300 & sleep 300 & wait").grace(GRACE);
    let (token, results) = begin(&crew, program);
    let processes = running(&mark, 3);
    let ended = Instant::now();
    token.cancel(CancelReason::ClientGone);
    assert!(matches!(next(&results), Err(Error::Canceled(_))));
    // Its ending is a job of the crew, for all to see.
    eventually("it is listed", || {
        ended.elapsed() > GRACE || crew.stats().stuck.iter().any(|call| &*call.label == "ending sh")
    });
    assert!(ended.elapsed() > GRACE || mark.processes() == processes);
    until_gone(&processes);
    assert!(ended.elapsed() >= GRACE);
    until_at_rest(&crew);
}

#[test]
fn a_stopped_program_is_ended_too() {
    let (crew, mark) = (crew(4), Mark::new());
    let (token, results) = begin(&crew, mark.sh("kill -STOP $$").grace(SHORT));
    let processes = running(&mark, 1);
    token.cancel(CancelReason::ClientGone);
    assert!(matches!(next(&results), Err(Error::Canceled(_))));
    until_gone(&processes);
}

#[test]
fn output_beyond_the_limit_ends_the_program_with_an_error() {
    let (crew, mark) = (crew(4), Mark::new());
    for script in ["yes", "yes >&2"] {
        let result = mark.sh(script).max_output(100_000).run(&crew, SOON);
        assert!(matches!(result, Err(Error::OutputTooLarge { limit: 100_000 })), "{result:?}");
        eventually("it is gone", || mark.processes().is_empty());
    }
    let exact =
        |bytes: &str| mark.program("head").args(["-c", bytes, "/dev/zero"]).max_output(100_000).run(&crew, SOON);
    assert_eq!(exact("100000").unwrap().stdout.len(), 100_000);
    assert!(matches!(exact("100001"), Err(Error::OutputTooLarge { .. })));
    let any = mark.program("echo").max_output(0).run(&crew, SOON);
    assert!(matches!(any, Err(Error::OutputTooLarge { limit: 0 })), "{any:?}");
    assert_eq!(mark.program("true").max_output(0).run(&crew, SOON).unwrap().stdout, b"");
}

#[test]
fn a_program_that_never_stops_writing_ends_by_its_time() {
    let (crew, mark) = (crew(4), Mark::new());
    let result = mark.program("yes").max_output(usize::MAX).run(&crew, SHORT);
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    eventually("it is gone", || mark.processes().is_empty());
}

#[test]
fn a_program_that_closes_its_outputs_is_still_waited_for() {
    let output = run(&Program::new("sh").args(["-c", "echo out; exec >&- 2>&-; sleep 0.2; exit 7"]));
    assert_eq!((output.status, output.stdout.as_slice()), (Status::Exited(7), &b"out\n"[..]));
}

#[test]
fn a_child_that_holds_the_output_is_ended_and_not_waited_for() {
    let (crew, mark) = (crew(4), Mark::new());
    let output = mark.sh("sleep 300 & echo out; exit 4").grace(PATIENT).run(&crew, PATIENT).unwrap();
    assert_eq!((output.status, output.stdout.as_slice()), (Status::Exited(4), &b"out\n"[..]));
    eventually("the child is gone", || mark.processes().is_empty());
    until_at_rest(&crew);
}

#[test]
fn a_child_that_goes_on_writing_does_not_make_the_output_endless() {
    let (crew, mark) = (crew(4), Mark::new());
    let output = mark.sh("yes & sleep 0.05").max_output(usize::MAX).run(&crew, PATIENT).unwrap();
    assert_eq!(output.status, Status::Exited(0));
    eventually("the child is gone", || mark.processes().is_empty());
}

#[test]
fn a_child_without_the_output_is_ended_too() {
    let (crew, mark) = (crew(4), Mark::new());
    let output = mark.sh("sleep 300 >/dev/null 2>&1 & echo out").grace(PATIENT).run(&crew, SOON).unwrap();
    assert_eq!(output.stdout, b"out\n");
    eventually("the child is gone", || mark.processes().is_empty());
    until_at_rest(&crew);
}

#[test]
fn a_daemon_that_left_the_group_lives_on_and_holds_nobody_up() {
    let (crew, mark) = (crew(4), Mark::new());
    let output = mark.sh("setsid sleep 300 & sleep 0.2; echo out").grace(SHORT).run(&crew, PATIENT).unwrap();
    assert_eq!((output.status, output.stdout.as_slice()), (Status::Exited(0), &b"out\n"[..]));
    until_at_rest(&crew);
    assert_eq!(mark.processes().len(), 1, "it left the group, so it is not ours to end");
}

#[test]
fn an_ending_that_gets_no_thread_kills_at_once() {
    let settings = CrewSettings::default().max_threads(0);
    let (crew, mark) = (Crew::new(settings).unwrap(), Mark::new());
    let (token, results) = begin(&crew, mark.sh("trap '' TERM; sleep 300 & wait").grace(PATIENT));
    let processes = running(&mark, 2);
    token.cancel(CancelReason::ClientGone);
    assert!(matches!(next(&results), Err(Error::Canceled(_))));
    until_gone(&processes);
}

#[test]
fn endings_that_take_their_time_are_capped() {
    let settings = CrewSettings::default().max_stuck(1);
    let (crew, mark) = (Crew::new(settings).unwrap(), Mark::new());
    let (token, results) = begin(&crew, mark.sh("trap '' TERM; sleep 300 & wait").grace(PATIENT));
    running(&mark, 2);
    token.cancel(CancelReason::ClientGone);
    assert!(matches!(next(&results), Err(Error::Canceled(_))));
    let mut refused = None;
    eventually("no other program is begun", || {
        refused = Program::new("true").run(&crew, SOON).err();
        refused.is_some()
    });
    assert!(matches!(refused, Some(Error::TooManyStuck { most: 1 })), "{refused:?}");
}

#[test]
fn of_two_commands_in_a_race_the_first_wins_and_the_other_is_gone() {
    let (crew, mark) = (crew(8), Mark::new());
    let programs = [mark.program("sleep").arg("300"), mark.program("echo").arg("won")];
    let race = Race::new(&crew).schedule(schedule(&[0, 20])).limit(SOON);
    let outcome = race.first({
        let crew = crew.clone();
        move |attempt| programs[attempt.number()].run(&crew, attempt)
    });
    let winner = outcome.winner().unwrap();
    assert_eq!((winner.attempt, winner.value.stdout.as_slice()), (1, &b"won\n"[..]));
    eventually("the loser is gone", || mark.processes().is_empty());
    until_at_rest(&crew);
}

#[test]
fn a_race_of_programs_that_hang_is_over_by_its_deadline() {
    let (crew, mark) = (crew(8), Mark::new());
    let program = mark.program("sleep").arg("300");
    let race = Race::new(&crew).schedule(schedule(&[0, 10, 10])).limit(SHORT);
    let begun = Instant::now();
    let outcome = race.first({
        let crew = crew.clone();
        move |attempt| program.run(&crew, attempt)
    });
    assert!(outcome.winner().is_none());
    assert!(begun.elapsed() >= SHORT && begun.elapsed() < SOON / 2);
    eventually("all are gone", || mark.processes().is_empty());
    until_at_rest(&crew);
}

#[test]
fn a_commands_text_is_split_into_words_as_a_shell_does_it() {
    let program: Program = r#"command:printf '%s|' "a b" c\ d '$HOME'"#.parse().unwrap();
    assert_eq!(run(&program).stdout, b"a b|c d|$HOME|");
    let without_scheme: Program = "echo x".parse().unwrap();
    assert_eq!(run(&without_scheme).stdout, b"x\n");
    for wrong in ["", "command:", "command:  ", "echo 'open", "echo open\\", "'' a"] {
        let error = wrong.parse::<Program>().unwrap_err();
        assert!(matches!(&error, Error::Setting { key, value, .. } if key == "command" && value == wrong), "{error}");
    }
}

#[test]
fn a_program_shows_neither_its_arguments_nor_its_environment() {
    let shown = format!("{:?}", Program::new("mysql").arg("secret").env("PASSWORD", "secret").stdin("secret"));
    assert!(shown.contains("mysql") && !shown.contains("secret"), "{shown}");
}

#[test]
fn a_program_that_prints_json_is_a_source() {
    let json = run(&Program::new("echo").arg("{\"a\": 1}")).json().unwrap();
    assert_eq!(json.as_str(), "{\"a\": 1}\n");
    let failed = run(&Program::new("sh").args(["-c", "echo '{}'; echo no table >&2; exit 2"])).json();
    let Err(Error::ProgramFailed { how, said }) = failed else { panic!("{failed:?}") };
    assert_eq!((how.as_str(), said.as_deref()), ("exit code 2", Some("no table")));
}
