//! What answers the requests of one prefix.

use super::back::{self, Way};
use super::failure;
use super::forward::{self, Forwarded};
use super::limit;
use super::settings::ProxySettings;
use super::upload::Uploaded;
use crate::error::Error;
use crate::front::{BodyLength, Request, Response};
use crate::source::SourceSettings;
use headstart::crew::Crew;
use headstart::event::Observer;
use headstart::http::{self, Client, Sending, TraceContext};
use headstart::policy::Policy;
use headstart::{Deadline, TimeLimit};
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

/// A prefix and its upstreams, ready to be asked.
pub(crate) struct ProxyRoute {
    client: Client,
    settings: ProxySettings,
    timeout_header: String,
}

impl ProxyRoute {
    /// A route whose attempts run on the calling threads and on those of `crew`, and are reported to `observer`.
    /// Connects nowhere yet.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for the setting that cannot be used.
    pub(crate) fn new(
        crew: &Crew,
        settings: &ProxySettings,
        sources: &SourceSettings,
        observer: Arc<dyn Observer>,
    ) -> Result<ProxyRoute, Error> {
        settings.check(sources)?;
        let mut client = sources
            .client(&settings.to)
            .schedule(settings.schedule.clone())
            .policy(settings.policy.clone())
            .dns_refresh(settings.dns_refresh)
            .after_failure(settings.after_failure)
            .commit(settings.commit)
            .hedge_max_body(settings.hedge_max_body)
            .body_idle_timeout(settings.body_idle_timeout)
            .observer(observer);
        if let Some(path) = &settings.health_path {
            client = client.health_path(path);
        }
        if let Some(success) = &settings.success {
            client = client.success(success.clone());
        }
        Ok(ProxyRoute {
            client: Client::new(crew, client)?,
            settings: settings.clone(),
            timeout_header: sources.timeout_header.clone(),
        })
    }

    /// What decides when its requests are hedged.
    pub(crate) fn policy(&self) -> &Policy {
        self.client.policy()
    }

    /// The answer to `request`. `permit` is kept until all of it is sent.
    pub(crate) fn answer(&self, request: &Request<'_>, permit: impl Send + 'static) -> Response {
        if let Some(response) = limit::last_hop(request) {
            return response;
        }
        match self.call(request) {
            Ok(response) => {
                for interim in response.interim() {
                    // A client that cannot be told this cannot be told the rest either.
                    let _ = request.send_interim(interim.status, &back::interim(&interim.fields));
                }
                let way = Way {
                    is_head: request.method() == "HEAD",
                    body_idle: self.settings.body_idle_timeout,
                    tunnel_idle: self.settings.tunnel_idle_timeout,
                    permit,
                };
                back::pass(response, way)
            }
            Err(error) => failure::answer(&error),
        }
    }

    fn call(&self, request: &Request<'_>) -> Result<http::Response, headstart::Error> {
        let Forwarded { target, mut fields, upgrades } =
            forward::forward(request, &self.settings, &self.timeout_header)?;
        limit::count(request, &mut fields)?;
        let told = self.told(request);
        let timeout = told.map_or(self.settings.timeout, |told| told.min(self.settings.timeout));
        let deadline = request.received_at().checked_add(timeout).map_or(Deadline::Never, Deadline::At);
        let limit = TimeLimit::new(deadline, request.token());
        let mut outgoing = http::Request::new(request.method(), target).trace(trace_of(request));
        *outgoing.fields_mut() = fields;
        let may_repeat = !upgrades && self.settings.hedges(request.method());
        match request.body_length() {
            BodyLength::None => {
                let sending = if may_repeat { Sending::Hedged } else { Sending::Once };
                self.client.send(&outgoing.sending(sending), &limit)
            }
            BodyLength::Known(0) => self.client.send(&outgoing.body([]).sending(Sending::Once), &limit),
            BodyLength::Known(length)
                if may_repeat && holds(request.method()) && length <= self.settings.hedge_max_body =>
            {
                let mut held = Vec::with_capacity(length as usize);
                request.body().read_to_end(&mut held)?;
                self.client.send(&outgoing.body(held).sending(Sending::Hedged), &limit)
            }
            length => {
                let length = if let BodyLength::Known(length) = length { Some(length) } else { None };
                // A body may take its time, unless somebody has said by when all has to be over.
                let limit = if told.is_some() { limit } else { TimeLimit::from(request.token()) };
                let outgoing = outgoing.response_timeout(timeout);
                self.client.send_from(&outgoing, &mut Uploaded::of(request, length), &limit)
            }
        }
    }

    /// How long a trusted proxy waits for this.
    fn told(&self, request: &Request<'_>) -> Option<Duration> {
        let value =
            request.header(&self.timeout_header).filter(|_| forward::is_trusted(&self.settings, request.peer()))?;
        str::from_utf8(value).ok()?.trim().parse().ok().map(Duration::from_millis)
    }
}

fn trace_of(request: &Request<'_>) -> TraceContext {
    let traceparent = request.header("traceparent").and_then(|value| str::from_utf8(value).ok());
    TraceContext::continuing(traceparent)
}

/// Methods whose bodies are held to be sent again. One of a GET has no meaning that anybody knows of.
fn holds(method: &str) -> bool {
    matches!(method, "PUT" | "DELETE")
}
