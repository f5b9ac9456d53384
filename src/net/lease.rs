//! A connection for one call: an idle one or a fresh one.
//!
//! The problem: a server may close an idle connection at any moment, also while a request is on its way to it. A look
//! at the socket before its use finds most of them. Of the rest the client only learns that the connection is lost, and
//! not whether the server has seen the request. The answer is one rule, written once, with what differs from call to
//! call as a value: [`Resend`].
//!
//! - A read may be repeated. It takes an idle connection, and when that is lost before any answer it goes out once
//!   more, over a fresh one.
//! - A call that must not be repeated, of a protocol in which the client can first ask something harmless over the same
//!   connection (Memcached's no-op, the `PREPARE` of a statement), takes an idle connection too. When that is lost
//!   before the call itself was sent, the call goes out over a fresh one.
//! - Any other call that must not be repeated gets a fresh connection from the start.
//!
//! So an idle connection that its server closes costs no call, and no call that must not be repeated is sent twice. A
//! fresh connection that is lost is a failure in each case.
//!
//! What it costs: a change in Memcached over an idle connection one more round trip, an XML-RPC call a connection of
//! its own.

use super::pool::Pool;
use crate::cancel::CancelToken;
use crate::error::Error;
use std::sync::Arc;

/// When a request whose idle connection was lost goes out again, over a fresh one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resend {
    /// Never: it takes no idle connection.
    Never,
    /// If nothing of it was sent.
    IfUnsent,
    /// If nothing of an answer was received.
    IfUnanswered,
}

/// How far a call came on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reached {
    /// Nothing of it was sent that must not be sent twice.
    Unsent,
    /// Something was sent, and nothing received.
    Sent,
    /// Something was received.
    Answered,
}

/// What came of a call on one connection.
pub(crate) struct Talk<C, T> {
    pub(crate) result: Result<T, Error>,
    pub(crate) reached: Reached,
    /// The connection, if it can serve another call.
    pub(crate) keep: Option<C>,
}

/// A connection that can be idle.
pub(crate) trait Reusable: Sized + Send + 'static {
    /// Gives an idle connection to the call that `token` ends; `None` when the server has closed it meanwhile, or has
    /// sent what nobody asked for.
    fn resume(self, token: &CancelToken) -> Option<Self>;

    /// Makes ready to be idle; `None` when the call's token may have shut the connection down, or something is left on
    /// it.
    fn rest(self) -> Option<Self>;
}

impl Resend {
    fn applies(self, reached: Reached) -> bool {
        match self {
            Resend::Never => false,
            Resend::IfUnsent => reached == Reached::Unsent,
            Resend::IfUnanswered => reached != Reached::Answered,
        }
    }
}

/// Has `talk` make a call over an idle connection of `pool` or one that `connect` makes, and keeps the connection if it
/// can serve another call. `to` is the server's name, for the log. What `token` did to the call is its caller's to
/// tell.
pub(crate) fn lease<C: Reusable, T>(
    (pool, origin): (&Arc<Pool<C>>, usize),
    (token, to): (&CancelToken, &str),
    resend: Resend,
    connect: impl FnOnce() -> Result<C, Error>,
    mut talk: impl FnMut(C) -> Talk<C, T>,
) -> Result<T, Error> {
    let keep = |talked: Talk<C, T>| {
        if let Some(connection) = talked.keep.and_then(C::rest) {
            pool.put(origin, connection);
        }
        talked.result
    };
    if resend != Resend::Never
        && let Some(idle) = take(pool, origin, token)
    {
        let talked = talk(idle);
        let lost = matches!(talked.result, Err(Error::Lost { .. })) && resend.applies(talked.reached);
        if !lost || token.is_canceled() {
            return keep(talked);
        }
        log::debug!("the idle connection to {to} was closed: trying a fresh one");
    }
    keep(talk(connect()?))
}

/// The idle connection to `origin` that was used last and can still be used.
pub(crate) fn take<C: Reusable>(pool: &Arc<Pool<C>>, origin: usize, token: &CancelToken) -> Option<C> {
    while let Some(idle) = pool.take(origin) {
        if let Some(connection) = idle.resume(token) {
            return Some(connection);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::CancelReason;
    use crate::crew::{Crew, CrewSettings};
    use std::io;
    use std::time::Duration;

    /// A connection of a number, which may be dead.
    struct Numbered(usize, bool);

    impl Reusable for Numbered {
        fn resume(self, _: &CancelToken) -> Option<Numbered> {
            self.1.then_some(self)
        }

        fn rest(self) -> Option<Numbered> {
            Some(self)
        }
    }

    fn lost() -> Result<usize, Error> {
        Err(Error::Lost { to: String::new(), source: io::ErrorKind::UnexpectedEof.into() })
    }

    /// Makes a call with the idle connections 1, dead, and 2 on top; on 2 the call is lost when it has reached
    /// `reached`. Returns the connections talked over, the result, and how many connections are idle afterwards.
    fn called(resend: Resend, reached: Reached, token: &CancelToken) -> (Vec<usize>, Result<usize, Error>, usize) {
        let crew = Crew::new(CrewSettings::default()).unwrap();
        let pool = Pool::new(&crew, 1, 8, Duration::from_secs(60));
        pool.put(0, Numbered(2, true));
        pool.put(0, Numbered(1, false));
        let mut talked = Vec::new();
        let result = lease(
            (&pool, 0),
            (token, "test"),
            resend,
            || Ok(Numbered(3, true)),
            |connection| {
                talked.push(connection.0);
                match connection.0 {
                    2 => Talk { result: lost(), reached, keep: None },
                    number => Talk { result: Ok(number), reached: Reached::Answered, keep: Some(connection) },
                }
            },
        );
        (talked, result, pool.idle())
    }

    #[test]
    fn a_call_is_sent_again_only_as_far_as_it_may_be() {
        use Reached::{Answered, Sent, Unsent};
        let token = CancelToken::new();
        for (resend, reached, over) in [
            (Resend::IfUnanswered, Unsent, &[2, 3][..]),
            (Resend::IfUnanswered, Sent, &[2, 3]),
            (Resend::IfUnanswered, Answered, &[2]),
            (Resend::IfUnsent, Unsent, &[2, 3]),
            (Resend::IfUnsent, Sent, &[2]),
            (Resend::IfUnsent, Answered, &[2]),
        ] {
            let (talked, result, idle) = called(resend, reached, &token);
            assert_eq!(talked, over, "{resend:?} {reached:?}");
            assert_eq!((result.is_ok(), idle), (over.len() == 2, over.len() - 1), "{resend:?} {reached:?}");
        }
        let (talked, result, idle) = called(Resend::Never, Unsent, &token);
        assert_eq!((talked, result.unwrap(), idle), (vec![3], 3, 3), "no idle connection is touched");
    }

    #[test]
    fn a_call_that_was_ended_is_not_sent_again() {
        let token = CancelToken::new();
        token.cancel(CancelReason::Superseded);
        assert_eq!(called(Resend::IfUnanswered, Reached::Unsent, &token).0, [2]);
    }
}
