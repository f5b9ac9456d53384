//! What the tests of this package share.

use headstart::{Crew, CrewSettings, Deadline};
use headstart_testing::PATIENCE;

pub(crate) fn crew(max_threads: usize) -> Crew {
    Crew::new(CrewSettings::default().max_threads(max_threads).kept_for_requests(0)).unwrap()
}

pub(crate) fn soon() -> Deadline {
    Deadline::after(PATIENCE)
}
