//! A call without a timeout asks for one, each time anew; with nobody to ask it is refused. One test: the default is
//! the process's.

use headstart::timeout::{Budget, DefaultTimeout};
use headstart::{Error, TimedCall, with_timeout};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

fn current() -> Option<u64> {
    DefaultTimeout::current().map(|timeout| timeout.as_secs())
}

#[test]
fn the_default_is_asked_at_each_call_the_threads_own_first() {
    headstart_testing::alone!();
    let refused = DefaultTimeout::limit();
    assert!(matches!(refused, Err(Error::NoDefaultTimeout)), "{refused:?}");

    static ASKED: AtomicU64 = AtomicU64::new(0);
    DefaultTimeout::install(|| Duration::from_secs(100 - ASKED.fetch_add(1, Ordering::SeqCst)));
    assert_eq!((current(), current()), (Some(100), Some(99)));
    TimedCall::new(DefaultTimeout::limit().unwrap()).run(|_| ()).unwrap();
    assert_eq!(current(), Some(97));

    {
        let _outer = DefaultTimeout::for_this_thread(|| Duration::from_secs(7));
        {
            let _inner = DefaultTimeout::for_this_thread(|| Duration::from_secs(5));
            assert_eq!(current(), Some(5));
            assert_eq!(thread::spawn(current).join().unwrap(), Some(96), "another thread has the process's");
        }
        assert_eq!(current(), Some(7));
        let unwound = std::panic::catch_unwind(|| {
            let _scope = DefaultTimeout::for_this_thread(|| Duration::from_secs(3));
            panic!("out of the scope");
        });
        assert!(unwound.is_err());
        assert_eq!(current(), Some(7));
    }
    assert_eq!(current(), Some(95));

    let budget = Budget::new(Duration::from_millis(60));
    let _scope = budget.for_this_thread();
    with_timeout(DefaultTimeout::limit().unwrap(), || ()).unwrap();
    let (_open, never) = crossbeam_channel::bounded::<()>(0);
    let late = with_timeout(DefaultTimeout::limit().unwrap(), move || never.recv_timeout(Duration::from_secs(20)));
    assert!(matches!(late, Err(Error::TimedOut { .. })), "{late:?}");
    assert_eq!(budget.remaining(), Duration::ZERO, "all of it was waited for, and no more");
    let spent = with_timeout(DefaultTimeout::limit().unwrap(), || panic!("not to be called"));
    assert!(matches!(spent, Err::<(), _>(Error::TimedOut { .. })), "{spent:?}");

    // A function that installs another is not in its own way.
    DefaultTimeout::install(|| {
        DefaultTimeout::uninstall();
        Duration::from_secs(1)
    });
    drop(_scope);
    assert_eq!((current(), current()), (Some(1), None));
}
