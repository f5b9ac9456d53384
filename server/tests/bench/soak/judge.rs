//! Whether figures stay stable.

use crate::trial::server::Figures;

/// A figure, and how much it may grow.
struct Row {
    name: &'static str,
    unit: &'static str,
    of: fn(&Figures) -> u64,
    share: f64,
    amount: u64,
    /// The shortest run, in seconds, that can be judged.
    settles_in: usize,
}

/// Memory settles last: every thread's stack and every arena of the allocator grows until it has met the largest
/// answers. The amounts are what such a load varies by chance; a leak of a hundred bytes per request is many times
/// that in ten minutes.
const ROWS: [Row; 3] = [
    Row { name: "memory", unit: " KiB", of: |figures| figures.memory, share: 0.10, amount: 4 << 10, settles_in: 300 },
    Row { name: "threads", unit: "", of: |figures| figures.threads, share: 0.15, amount: 10, settles_in: 15 },
    Row { name: "descriptors", unit: "", of: |figures| figures.descriptors, share: 0.15, amount: 20, settles_in: 15 },
];

/// Compares the median of the first third after the warm-up, which is two fifths of the whole, with that of the last
/// third. Prints what it found.
pub(crate) fn is_flat(samples: &[Figures]) -> bool {
    let steady = &samples[samples.len() * 2 / 5..];
    let third = steady.len() / 3;
    let mut flat = true;
    for Row { name, unit, of, share, amount, settles_in } in ROWS {
        let (early, late) = (median(&steady[..third], of), median(&steady[steady.len() - third..], of));
        let most = early + amount.max((early as f64 * share) as u64);
        let highest = steady.iter().map(of).max().unwrap_or_default();
        let verdict = match samples.len() < settles_in {
            true => "too short a run to tell",
            false if late <= most => "flat",
            false => {
                flat = false;
                "GROWING"
            }
        };
        println!("{name:<12} {verdict}: {early}{unit} -> {late}{unit} (highest {highest}, allowed {most})");
    }
    flat
}

fn median(samples: &[Figures], of: fn(&Figures) -> u64) -> u64 {
    let mut values: Vec<u64> = samples.iter().map(of).collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
