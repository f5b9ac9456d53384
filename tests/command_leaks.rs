//! Programs by the dozen, ended in every way, leave no process, zombie, thread or descriptor. Alone in its process,
//! whose figures it reads.

#![cfg(all(feature = "command", target_os = "linux"))]

use crate::support::core::{SOON, crew, eventually};
use crate::support::marked::{Mark, children};
use headstart::Error;
use headstart::command::Status;
use std::fs;
use std::thread;
use std::time::Duration;

fn count(directory: &str) -> usize {
    fs::read_dir(directory).unwrap().count()
}

#[test]
fn fifty_programs_at_a_time_leave_nothing_behind() {
    headstart_testing::alone!();
    const GRACE: Duration = Duration::from_millis(300);
    let figures = || (count("/proc/self/task"), count("/proc/self/fd"), children().len());
    let (before, mark) = (figures(), Mark::new());
    let crew = crew(256);
    thread::scope(|scope| {
        for number in 0..50 {
            let (crew, mark) = (&crew, &mark);
            scope.spawn(move || {
                for round in 0..4 {
                    let short = Duration::from_millis(50);
                    match (number + round) % 5 {
                        0 => {
                            let output = mark.program("cat").stdin(vec![b'x'; 200_000]).run(crew, SOON).unwrap();
                            assert_eq!(output.stdout.len(), 200_000);
                        }
                        1 => {
                            let result = mark.program("sleep").arg("300").run(crew, short);
                            assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
                        }
                        2 => {
                            let stubborn = mark.sh("trap '' TERM; sleep 300 & sleep 300 & wait").grace(GRACE);
                            let result = stubborn.run(crew, short);
                            assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
                        }
                        3 => {
                            let output = mark.sh("sleep 300 & exit 3").run(crew, SOON).unwrap();
                            assert_eq!(output.status, Status::Exited(3));
                        }
                        _ => {
                            let result = mark.program("yes").max_output(1_000).run(crew, SOON);
                            assert!(matches!(result, Err(Error::OutputTooLarge { .. })), "{result:?}");
                        }
                    }
                }
            });
        }
    });
    eventually("all processes are gone", || mark.processes().is_empty());
    eventually("no call is stuck", || crew.stats().stuck.is_empty());
    assert_eq!(crew.shutdown(SOON), 0);
    drop(crew);
    eventually("threads, descriptors and children are as before", || figures() == before);
}
