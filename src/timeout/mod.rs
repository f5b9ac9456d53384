//! One blocking call against a deadline.
//!
//! The problem: a driver, a device, an old library blocks, and its own timeouts, if it has any, count each step anew.
//! To wait no longer is easy; then the call runs on, with its thread and whatever it holds, and after a bad hour the
//! process is full of such threads.
//!
//! The answer: [`with_timeout`] runs the call on a thread of a crew and waits for it by one deadline. When the time is
//! over it runs the call's **cleanup**, which frees what the call hangs in (shuts a socket down, kills a process), and
//! cancels the token the call was given; the call returns, and its thread is home before the caller is told, or 5 ms
//! later at most. [`TimedCall`] is the same with a name, a crew and a cleanup; [`DefaultTimeout`] and [`Budget`] say
//! how long where a call does not.
//!
//! What this does not do: end a call that has no cleanup and asks no token. Nothing can. Such a call is logged, runs on
//! with its thread, is listed in [`CrewStats::stuck`](crate::CrewStats::stuck), and once there are
//! [`CrewSettings::max_stuck`](crate::CrewSettings::max_stuck) of them further calls are refused with
//! [`Error::TooManyStuck`](crate::Error::TooManyStuck). The [guide] tells which way to end a call is for what.

mod call;
mod cleanup;
mod default;
#[doc = include_str!("guide.md")]
pub mod guide {}

#[cfg(all(unix, any(feature = "command", feature = "mysql")))]
pub(crate) use call::GRACE;
#[cfg(feature = "http")]
pub(crate) use call::own_crew;
pub use call::{TimedCall, with_timeout, with_timeout_on};
pub use default::{Budget, DefaultTimeout, DefaultTimeoutScope};
