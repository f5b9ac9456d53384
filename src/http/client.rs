//! The client of hedged GETs.

use super::call::{Call, Start};
use super::course::{Course, tell_failure};
use super::racer::Racer;
use super::settings::{Certificates, ClientSettings, Rules};
use super::shared::Shared;
use super::trace::TraceContext;
use super::upstreams::{UpstreamSettings, Upstreams};
use crate::crew::Crew;
use crate::error::{Error, Phase};
use crate::event::RaceEnd;
use crate::json::Json;
use crate::limit::TimeLimit;
use crate::policy::{Delay, Policy};
use crate::race::{Attempt, Cause, Outcome, Wanted};
use crate::sync::lock;
use std::fmt;
use std::sync::{Arc, Mutex};

/// A hedging HTTP client. Clones are handles to the same client and share its connections.
///
/// ```no_run
/// use headstart::{Client, ClientSettings, Crew, CrewSettings};
/// use std::time::Duration;
///
/// let crew = Crew::new(CrewSettings::default())?;
/// let client = Client::new(&crew, ClientSettings::new(["http://127.0.0.1:9000/api/work"]))?;
/// let json = client.get(Duration::from_millis(800))?;
/// println!("{}", json.as_str());
/// # Ok::<(), headstart::Error>(())
/// ```
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

impl Client {
    /// A client whose attempts run on the calling threads and on threads of `crew`. Connects nowhere yet.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] names the setting that cannot be used: a URL that is not `http` or `https`, has no host or
    /// carries a user name (which would end up in logs), certificates that cannot be read, and so on.
    pub fn new(crew: &Crew, settings: ClientSettings) -> Result<Client, Error> {
        let upstreams = Upstreams::new(
            crew,
            UpstreamSettings {
                key: "upstream",
                urls: settings.upstreams.clone(),
                calls: settings.calls,
                connect_timeout: settings.connect_timeout,
                success: settings.success.clone(),
                max_body: settings.max_body,
                max_idle: settings.max_idle,
                idle_timeout: settings.idle_timeout,
                timeout_header: settings.timeout_header.clone(),
                max_redirects: settings.max_redirects,
                proxy: settings.proxy.clone(),
                trusted: settings.trusted.iter().map(Certificates::read).collect::<Result<_, _>>()?,
                lookup: settings.lookup.clone(),
            },
        )?;
        let racer = Racer::new(crew, &settings, upstreams.label());
        let rules = Rules {
            success: settings.success,
            commit: settings.commit,
            hedge_max_body: settings.hedge_max_body,
            body_idle_timeout: settings.body_idle_timeout,
        };
        let policy = Policy::new(settings.policy);
        let targets = upstreams.targets(policy, settings.lookup, settings.dns_refresh);
        let shared = Arc::new(Shared::new(upstreams, targets, racer, rules));
        #[cfg(unix)]
        if let Some(path) = settings.health_path {
            super::health::begin(&shared, path)?;
        }
        Ok(Client { shared })
    }

    /// The first success within `limit`, hedged, or why there is none: the end of the race when it was ended, the first
    /// failure when all attempts failed.
    ///
    /// # Errors
    ///
    /// As said, most often [`Error::TimedOut`], with the phase that the primary was in.
    pub fn get(&self, limit: impl Into<TimeLimit>) -> Result<Json, Error> {
        let ended_in = Arc::new(Mutex::new(None));
        let mut outcome = self.run(&Call::new(limit), Wanted::First, {
            let ended_in = ended_in.clone();
            move |attempt, error| {
                let mut ended_in = lock(&ended_in);
                if let Error::TimedOut { during } = error
                    && (attempt.number() == 0 || ended_in.is_none())
                {
                    *ended_in = Some(*during);
                }
            }
        });
        if let Some(winner) = outcome.successes.pop() {
            return Ok(winner.value);
        }
        if let RaceEnd::Canceled(reason) = outcome.end {
            return Err(Error::ended(reason, lock(&ended_in).unwrap_or(Phase::Wait)));
        }
        let first = outcome.failures.swap_remove(0); // a race that was not ended has an end of each attempt
        Err(match first.cause {
            Cause::Error(error) | Cause::Shed(error) => error,
            Cause::Panicked(message) => Error::Panicked(message),
        })
    }

    /// The first success.
    pub fn first(&self, call: &Call<'_>) -> Outcome<Json, Error> {
        self.run(call, Wanted::First, |_, _| {})
    }

    /// All that succeed in time.
    pub fn all(&self, call: &Call<'_>) -> Outcome<Json, Error> {
        self.run(call, Wanted::All, |_, _| {})
    }

    /// What decides when its calls are hedged, and where they go.
    pub fn policy(&self) -> &Policy {
        self.shared.targets.policy()
    }

    /// Connections that wait for reuse at this moment, over all upstreams.
    pub fn idle_connections(&self) -> usize {
        self.shared.upstreams.idle_connections()
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Runs a race, and has `failed` see the failure of each attempt.
    fn run(
        &self,
        call: &Call<'_>,
        wanted: Wanted,
        failed: impl Fn(&Attempt, &Error) + Send + Sync + 'static,
    ) -> Outcome<Json, Error> {
        let shared = self.shared.clone();
        let trace = TraceContext::continuing(call.traceparent);
        let query = call.query.map(str::to_owned);
        let by_policy = self.policy().settings().delay() != Delay::Scheduled;
        let is_hedged = call.start == Start::Hedged && wanted == Wanted::First;
        let course =
            (by_policy && is_hedged).then(|| Course::new(&shared.targets, shared.upstreams.crew(), |plan| plan));
        let plan = course.as_ref().map(|course| course.plan().clone());
        self.shared.racer.run(call, wanted, plan, move |turn, attempt| {
            let query = query.as_deref();
            let result = match &course {
                None => shared.upstreams.get(turn, attempt, &trace, query),
                Some(course) => {
                    let (at, visit) = course.next(attempt, &[]);
                    match shared.upstreams.get_from(course.target(at), attempt, &trace, query) {
                        Ok(json) => {
                            visit.succeeded();
                            Ok(json)
                        }
                        Err(error) => {
                            tell_failure(visit, attempt, &error);
                            Err(error)
                        }
                    }
                }
            };
            result.inspect_err(|error| failed(attempt, error))
        })
    }

    /// One attempt of a race that is not this client's: a GET at the upstream whose turn it is, with no schedule of its
    /// own. `query` is told as by [`Call::query`].
    ///
    /// It ends soon after the attempt's token is canceled, in every phase, so it may run on the thread that waits for
    /// the race.
    ///
    /// # Errors
    ///
    /// Why it is no success; [`Error::TimedOut`] and [`Error::Canceled`] when it was ended.
    pub fn attempt(
        &self,
        turn: usize,
        attempt: &Attempt,
        trace: &TraceContext,
        query: Option<&str>,
    ) -> Result<Json, Error> {
        self.shared.upstreams.get(turn, attempt, trace, query)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("upstreams", &self.shared.upstreams).finish_non_exhaustive()
    }
}
