//! The threads, descriptors and sockets of a process, read from `/proc`.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

/// The resources of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The threads' names, in order.
    pub threads: Vec<String>,
    /// The targets of the descriptors, in order; sockets are counted below.
    pub files: Vec<String>,
    /// The states of the sockets, in order: `0A` listens, `01` is connected, `08` was left by its peer and not closed
    /// (see `tcp_states.h`), `other` is not IPv4 TCP.
    pub sockets: Vec<String>,
}

impl Held {
    /// Those of the process with this number, now.
    pub fn by(process: u32) -> Held {
        // Entries that vanish between listing and reading are left out.
        let names = list(process, "task", |task| fs::read_to_string(format!("{task}/comm")).ok());
        let states = tcp_states(process);
        let (sockets, files): (Vec<String>, Vec<String>) =
            list(process, "fd", |descriptor| fs::read_link(descriptor).ok()?.into_os_string().into_string().ok())
                .into_iter()
                .partition(|target| target.starts_with("socket:"));
        let state = |socket: &String| {
            let inode = socket.trim_start_matches("socket:[").trim_end_matches(']');
            states.get(inode).map_or("other", String::as_str).to_owned()
        };
        Held { threads: names, files, sockets: sorted(sockets.iter().map(state).collect()) }
    }

    /// Waits until `is_so` holds of the process's resources, at most this long, and returns how long it took.
    #[track_caller]
    pub fn until(process: u32, within: Duration, what: &str, is_so: impl Fn(&Held) -> bool) -> Duration {
        let since = Instant::now();
        loop {
            let held = Held::by(process);
            if is_so(&held) {
                return since.elapsed();
            }
            assert!(since.elapsed() < within, "not within {within:?}: {what}; it has {held:#?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The threads with this name.
    pub fn threads_named(&self, name: &str) -> usize {
        self.threads.iter().filter(|thread| *thread == name).count()
    }
}

/// How many threads the process has.
pub fn threads(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/task")).unwrap().count()
}

fn list(process: u32, directory: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{process}/{directory}")).unwrap();
    let entries = entries.filter_map(|entry| read(entry.ok()?.path().to_str()?));
    sorted(entries.map(|text| text.trim().to_owned()).collect())
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort_unstable();
    texts
}

/// The states of the machine's TCP sockets, by inode.
fn tcp_states(process: u32) -> HashMap<String, String> {
    let table = fs::read_to_string(format!("/proc/{process}/net/tcp")).unwrap();
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.len() > 9).map(|row| (row[9].to_owned(), row[3].to_owned())).collect()
}
