//! A hedged GET: the second and the third attempt start when the first has not answered within 300 ms.
//!
//! ```sh
//! cargo run --example hedged_get -- http://127.0.0.1:9000/api/work
//! ```

use headstart::event::{AttemptEnded, Observer};
use headstart::{Client, ClientSettings, Crew, CrewSettings, Error};
use std::sync::Arc;
use std::time::Duration;

/// Tells how each attempt ended.
struct Narrator;

impl Observer for Narrator {
    fn attempt_ended(&self, event: &AttemptEnded) {
        eprintln!("attempt {} after {:.0?}: {}", event.attempt, event.elapsed, event.end);
    }
}

fn main() -> Result<(), Error> {
    let Some(url) = std::env::args().nth(1) else {
        eprintln!("usage: hedged_get URL");
        std::process::exit(2);
    };
    let crew = Crew::new(CrewSettings::default())?;
    let settings = ClientSettings::new([url]).observer(Arc::new(Narrator));
    let client = Client::new(&crew, settings)?;

    match client.get(Duration::from_secs(2)) {
        Ok(json) => println!("{}", json.as_str()),
        Err(error) => {
            eprintln!("no answer: {error}");
            std::process::exit(1);
        }
    }
    Ok(())
}
