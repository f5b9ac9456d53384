//! Checks of the health of targets.
//!
//! Every two seconds the crew's alarm gives each target a job: one GET, over a connection of its own, so that a server
//! which takes no connections any more is found out too. A check is no call: it counts for no budget and no times.

use super::outgoing::Outgoing;
use super::request::{Request, Sending};
use super::shared::Shared;
use super::targets::Target;
use crate::crew::{Claim, Job};
use crate::error::Error;
use crate::race::{Attempt, Cause, Race};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_secs(2);

/// Checks the targets of a client until that is gone.
///
/// # Errors
///
/// [`Error::Setting`] for a path that cannot be asked for.
pub(super) fn begin(shared: &Arc<Shared>, path: String) -> Result<(), Error> {
    let request = Request::get(path.as_str()).sending(Sending::Once).field("User-Agent", "headstart-health");
    let outgoing = Outgoing::new(&request, None, shared.upstreams.timeout_header());
    let outgoing = outgoing.map_err(|_| Error::setting("health-path", &path, "a path such as /healthz"))?;
    if !path.starts_with('/') {
        return Err(Error::setting("health-path", &path, "a path that begins with a slash, such as /healthz"));
    }
    check_all(&Arc::downgrade(shared), &Arc::new(outgoing));
    Ok(())
}

fn check_all(shared: &Weak<Shared>, outgoing: &Arc<Outgoing>) {
    let Some(client) = shared.upgrade() else { return };
    let crew = client.upstreams.crew().clone();
    for target in client.targets.now(&crew).iter() {
        let (client, outgoing, target) = (client.clone(), outgoing.clone(), target.clone());
        let job = Job {
            label: format!("check of {}", target.address).into(),
            token: None,
            run: Box::new(move || match check(&client, &outgoing, &target) {
                Ok(()) => target.place.checked(Ok(())),
                Err(why) => target.place.checked(Err(&why)),
            }),
        };
        if let Err(error) = crew.spawn(Claim::Hedge, job) {
            log::debug!("a check was left out: {error}");
        }
    }
    let (shared, outgoing) = (shared.clone(), outgoing.clone());
    let next = crew.alarm().set(Instant::now() + INTERVAL, move || check_all(&shared, &outgoing));
    client.keep_alarm(next);
}

/// Whether `target` answers in time, and well.
fn check(client: &Shared, outgoing: &Outgoing, target: &Target) -> Result<(), String> {
    let ask = |attempt: &Attempt| client.upstreams.status_of(target, outgoing, attempt);
    let outcome = Race::new(client.upstreams.crew()).limit(INTERVAL).single(ask);
    match (outcome.successes.into_iter().next(), outcome.failures.into_iter().next()) {
        (Some(status), _) if status.value < 400 => Ok(()),
        (Some(status), _) => Err(format!("status {}", status.value)),
        (None, Some(failure)) => Err(match failure.cause {
            Cause::Error(error) | Cause::Shed(error) => error.to_string(),
            Cause::Panicked(message) => message,
        }),
        (None, None) => Err(format!("no answer within {INTERVAL:?}")),
    }
}
