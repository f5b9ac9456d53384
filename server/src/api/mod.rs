//! What the server answers.
//!
//! The problem: one upstream call has many ends, and a client wants few of them. The answer: routes, which all run the
//! same race and differ in what they call, in when attempts start and in what counts as done (`strategy`); four of them
//! are built in. One file (`answer`) maps outcomes to statuses and bodies. Proxy routes pass through what is below a
//! prefix (`proxied`). Beside the routes is what an operator looks at: health, figures, a page, a description, here or
//! on a front of its own (`admin`).
//!
//! Invariants: this is the only place with status codes of the product. It knows no sockets: who the client is and when
//! it leaves is known to the front, how something is called to its source.

mod admin;
mod answer;
mod capacity;
mod fixed;
mod handler;
mod hedging;
pub(crate) mod method;
mod openapi;
mod page;
mod permit;
mod proxied;
mod race;
mod route;
mod settings;
mod strategy;
mod timeout;

pub use crate::proxy::{HedgeMethod, HostField, Network, ProxySettings};
pub use crate::source::SourceSettings;
pub use admin::Admin;
pub use handler::Api;
pub use settings::{ApiSettings, Operation, RouteSettings};
pub use strategy::Strategy;
