//! The combinations of front and threads that the product can be started with, and tests that run on each.

#![allow(dead_code, unused_macros)] // each test file uses its part

use headstart::Threads;

/// The front and the threads of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stack {
    pub(crate) front: Front,
    pub(crate) threads: Threads,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    Own,
    #[cfg(feature = "tiny_http")]
    TinyHttp,
}

impl Stack {
    pub(crate) const ALL: &[Stack] = &[
        Stack { front: Front::Own, threads: Threads::Crew },
        Stack { front: Front::Own, threads: Threads::Fresh },
        #[cfg(feature = "tiny_http")]
        Stack { front: Front::TinyHttp, threads: Threads::Crew },
        #[cfg(feature = "tiny_http")]
        Stack { front: Front::TinyHttp, threads: Threads::Fresh },
    ];
}

impl Default for Stack {
    fn default() -> Stack {
        Stack { front: Front::Own, threads: Threads::Crew }
    }
}

/// Makes each function of the file, which takes a [`Stack`], a test on every stack, named after it. A test that
/// tiny_http cannot pass is listed with the reason, and is shown as ignored there.
macro_rules! on_every_stack {
    ($($test:ident),* $(,)? $(; not_on_tiny_http: $($excluded:ident = $reason:literal),* $(,)?)?) => {
        on_stack!(own_crew, Own, Crew, [$($test)* $($($excluded)*)?]);
        on_stack!(own_fresh, Own, Fresh, [$($test)* $($($excluded)*)?]);
        #[cfg(feature = "tiny_http")]
        on_stack!(tiny_http_crew, TinyHttp, Crew, [$($test)*] $($([$excluded $reason])*)?);
        #[cfg(feature = "tiny_http")]
        on_stack!(tiny_http_fresh, TinyHttp, Fresh, [$($test)*] $($([$excluded $reason])*)?);
    };
}

macro_rules! on_stack {
    ($name:ident, $front:ident, $threads:ident, [$($test:ident)*] $([$excluded:ident $reason:literal])*) => {
        mod $name {
            const STACK: crate::stack::Stack =
                crate::stack::Stack { front: crate::stack::Front::$front, threads: headstart::Threads::$threads };
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
