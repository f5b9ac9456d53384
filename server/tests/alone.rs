//! Tests that count what belongs to a whole process, or change it: its threads and descriptors, its limits, its logger,
//! whether it is stopped. Each runs in a process of its own (`alone!`), or looks at one that it started.

mod support;

mod api_access;
mod ending;
mod leaks;
mod server_access_log;
mod server_continued;
mod server_descriptors;
mod server_leaks;
mod server_open_files;
mod server_streams_memory;
mod server_watch;
