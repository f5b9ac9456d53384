//! Where requests can go: each address of each upstream, and what is known of it.
//!
//! The problem: one name may stand for many servers (a headless service of Kubernetes is such a name), which come and
//! go while requests run. The answer: a target is an address, with a place of the policy and idle connections of its
//! own. A name is one target at first, so that no request waits for more than it has to; meanwhile a job of the crew
//! looks it up, and again from then on. Requests take the list as it is at their beginning.
//!
//! A list of both families of addresses stands for the same servers twice. Then those of the first family are used of
//! which an address accepts a connection.

use super::link::Link;
use crate::crew::{Claim, Crew, Job};
use crate::net::Lookup;
use crate::net::address::Address;
use crate::net::pool::Pool;
use crate::policy::{Place, Policy};
use crate::sync::lock;
use arc_swap::ArcSwap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// An address of an upstream.
pub(super) struct Target {
    /// Which of the upstreams.
    pub(super) upstream: usize,
    pub(super) address: Address,
    pub(super) place: Arc<Place>,
    /// Which of the pool's shelves its connections lie on.
    pub(super) shelf: usize,
}

/// All of them at one moment.
pub(super) type List = Arc<Vec<Arc<Target>>>;

/// The targets of a client.
pub(super) struct Targets {
    policy: Policy,
    list: ArcSwap<Vec<Arc<Target>>>,
    pool: Arc<Pool<Box<Link>>>,
    /// Held while `list` is changed: two lookups may end at the same time.
    changing: Mutex<()>,
    names: Vec<Name>,
    lookup: Arc<dyn Lookup>,
    refresh: Duration,
    clock: Instant,
    /// When names are due to be looked up, in milliseconds of the clock.
    next_refresh: AtomicU64,
}

/// An upstream that is a name.
struct Name {
    /// Which of the upstreams.
    upstream: usize,
    address: Address,
    /// Whether the last lookup succeeded.
    is_known: AtomicBool,
}

/// How long it may take to find out which family of addresses answers.
const TRIAL: Duration = Duration::from_millis(250);

impl Targets {
    /// Those of `upstreams`: the address and the shelf of each.
    pub(super) fn new<'a>(
        policy: Policy,
        pool: &Arc<Pool<Box<Link>>>,
        upstreams: impl Iterator<Item = (&'a Address, usize)>,
        (lookup, refresh): (Arc<dyn Lookup>, Duration),
    ) -> Arc<Targets> {
        let list: Vec<Arc<Target>> = upstreams
            .enumerate()
            .map(|(upstream, (address, shelf))| {
                let place = policy.place(address.to_string());
                // What a name stands for may go, and its connections with it. Calls by turns keep theirs.
                let shelf = if is_name(address) { pool.add_shelf() } else { shelf };
                Arc::new(Target { upstream, address: address.clone(), place, shelf })
            })
            .collect();
        let names = list.iter().filter(|target| is_name(&target.address)).map(|target| Name {
            upstream: target.upstream,
            address: target.address.clone(),
            is_known: AtomicBool::new(true),
        });
        Arc::new(Targets {
            policy,
            changing: Mutex::default(),
            names: names.collect(),
            list: ArcSwap::from_pointee(list),
            pool: pool.clone(),
            lookup,
            refresh,
            clock: Instant::now(),
            next_refresh: AtomicU64::new(0),
        })
    }

    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Those there are now. Has names looked up that are due.
    pub(super) fn now(self: &Arc<Self>, crew: &Crew) -> List {
        if !self.names.is_empty() {
            self.refresh(crew);
        }
        self.list.load_full()
    }

    fn refresh(self: &Arc<Self>, crew: &Crew) {
        let now = self.clock.elapsed();
        let due = self.next_refresh.load(Ordering::Relaxed);
        if due > millis(now) {
            return;
        }
        let next = millis(now + self.refresh);
        if self.next_refresh.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        let targets = self.clone();
        let job = Job {
            label: "lookup of upstreams".into(),
            token: None,
            run: Box::new(move || targets.names.iter().for_each(|name| targets.look_up(name))),
        };
        if let Err(error) = crew.spawn(Claim::Hedge, job) {
            log::debug!("names of upstreams not looked up: {error}");
        }
    }

    /// Takes the addresses up that `name` has now.
    fn look_up(&self, name: &Name) {
        match self.lookup.lookup(&name.address.host).and_then(|found| one_family(found, name.address.port)) {
            Ok(addresses) => {
                name.is_known.store(true, Ordering::Relaxed);
                self.update(name, &addresses);
            }
            Err(error) => {
                // What was known stays.
                if name.is_known.swap(false, Ordering::Relaxed) {
                    let name = &name.address;
                    log::warn!("upstream {name} could not be looked up, its addresses stay as they were: {error}");
                }
            }
        }
    }

    fn update(&self, name: &Name, addresses: &[IpAddr]) {
        let (upstream, name) = (name.upstream, &name.address);
        let changing = lock(&self.changing);
        let old = self.list.load_full();
        let is_gone = |target: &Target| {
            target.upstream == upstream && !addresses.iter().any(|ip| target.address.host == ip.to_string())
        };
        let (gone, mut list): (Vec<_>, Vec<_>) = old.iter().cloned().partition(|target| is_gone(target));
        let mut added = 0;
        for ip in addresses {
            let address = Address { host: ip.to_string(), port: name.port };
            if !list.iter().any(|target| target.upstream == upstream && target.address == address) {
                let place = self.policy.place(address.to_string());
                list.push(Arc::new(Target { upstream, address, place, shelf: self.pool.add_shelf() }));
                added += 1;
            }
        }
        if added == 0 && gone.is_empty() {
            return;
        }
        log::info!("upstream {name}: {} addresses, {added} of them new, {} gone", addresses.len(), gone.len());
        self.list.store(Arc::new(list));
        drop(changing);
        for target in gone {
            self.policy.remove(&target.place);
            self.pool.close_shelf(target.shelf);
        }
    }
}

fn is_name(address: &Address) -> bool {
    address.host.parse::<IpAddr>().is_err()
}

/// The addresses of one family, each once.
fn one_family(found: Vec<IpAddr>, port: u16) -> io::Result<Vec<IpAddr>> {
    let mut addresses: Vec<IpAddr> = Vec::with_capacity(found.len());
    for ip in found {
        if !addresses.contains(&ip) {
            addresses.push(ip);
        }
    }
    let Some(first) = addresses.first().map(IpAddr::is_ipv4) else {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no addresses"));
    };
    if addresses.iter().any(|ip| ip.is_ipv4() != first) {
        let accepts = |ip: &&IpAddr| TcpStream::connect_timeout(&SocketAddr::new(**ip, port), TRIAL).is_ok();
        let family = addresses.iter().find(accepts).map_or(first, IpAddr::is_ipv4);
        addresses.retain(|ip| ip.is_ipv4() == family);
    }
    Ok(addresses)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
