//! The combinations of front, threads and calls that the product is tested with, and tests that run on each.
//!
//! Each front meets each kind of threads. Calls are by ureq in one of the four: the plain stack as `--plain` starts it.

use headstart::Threads;
use headstart::http::Calls;

/// The front and the threads of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stack {
    pub(crate) front: Front,
    pub(crate) threads: Threads,
    pub(crate) calls: Calls,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    Own,
    #[cfg(feature = "tiny_http")]
    TinyHttp,
}

impl Stack {
    pub(crate) const ALL: &[Stack] = &[
        Stack { front: Front::Own, threads: Threads::Crew, calls: Calls::Wire },
        Stack { front: Front::Own, threads: Threads::Fresh, calls: Calls::Wire },
        #[cfg(feature = "tiny_http")]
        Stack { front: Front::TinyHttp, threads: Threads::Crew, calls: Calls::Wire },
        #[cfg(feature = "tiny_http")]
        Stack { front: Front::TinyHttp, threads: Threads::Fresh, calls: Calls::Ureq },
    ];
}

impl Default for Stack {
    fn default() -> Stack {
        Stack { front: Front::Own, threads: Threads::Crew, calls: Calls::Wire }
    }
}

/// Makes each function of the file, which takes a [`Stack`], a test on every stack, named after it. A test that
/// tiny_http cannot pass is listed with the reason, and is shown as ignored there.
macro_rules! on_every_stack {
    ($($test:ident),* $(,)? $(; not_on_tiny_http: $($excluded:ident = $reason:literal),* $(,)?)?) => {
        on_stack!(own_crew, Own, Crew, Wire, [$($test)* $($($excluded)*)?]);
        on_stack!(own_fresh, Own, Fresh, Wire, [$($test)* $($($excluded)*)?]);
        #[cfg(feature = "tiny_http")]
        on_stack!(tiny_http_crew, TinyHttp, Crew, Wire, [$($test)*] $($([$excluded $reason])*)?);
        #[cfg(feature = "tiny_http")]
        on_stack!(plain, TinyHttp, Fresh, Ureq, [$($test)*] $($([$excluded $reason])*)?);
    };
}

macro_rules! on_stack {
    (
        $name:ident, $front:ident, $threads:ident, $calls:ident,
        [$($test:ident)*] $([$excluded:ident $reason:literal])*
    ) => {
        mod $name {
            const STACK: crate::support::stack::Stack = crate::support::stack::Stack {
                front: crate::support::stack::Front::$front,
                threads: headstart::Threads::$threads,
                calls: headstart::http::Calls::$calls,
            };
            $(
                #[test]
                fn $test() {
                    super::$test(STACK);
                }
            )*
            $(
                #[test]
                #[ignore = $reason]
                fn $excluded() {
                    super::$excluded(STACK);
                }
            )*
        }
    };
}
