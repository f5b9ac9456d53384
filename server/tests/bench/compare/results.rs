//! The results of a run: tables on standard output, and all files under `target/compare/`.

use crate::asked::{Options, Purpose};
use crate::harness::Result;
use crate::run::{self, Results};
use crate::{places, plots, table};
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;

/// Runs the bench and reports the results. `false` when a contender gave a wrong answer.
pub(crate) fn present(options: &Options) -> Result<bool> {
    let results = run::run(options)?;
    let tables = table::markdown(options, &results)?;
    let short = table::short(options, &results)?;
    let drawn = plots::draw(options, &results);
    if options.purpose == Purpose::Test {
        // Not shown: a few hundredths of a second measure the machinery, not the contenders.
        run::verify(&results)?;
        return Ok(true);
    }
    let directory = places::target().join("compare");
    // Removes an earlier run's plots, if there are any.
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory)?;
    let mut page = tables.clone();
    for (name, drawing) in &drawn {
        fs::write(directory.join(name), drawing)?;
        writeln!(page, "\n![{name}]({name})")?;
    }
    fs::write(directory.join("results.md"), page)?;
    fs::write(directory.join("readme.md"), short)?;
    fs::write(directory.join("results.json"), serde_json::to_string_pretty(&account(options, &results)?)?)?;
    println!("{tables}");
    eprintln!("results.md, results.json, readme.md and {} plots are in {}", drawn.len(), directory.display());
    let is_right = results.entries.iter().flat_map(|entry| &entry.rounds).all(|figures| figures.wrong == 0);
    Ok(is_right)
}

/// Every figure of every round.
fn account(options: &Options, results: &Results) -> Result<Value> {
    let entries = results.entries.iter().map(|entry| {
        let rounds = entry.rounds.iter().map(|figures| {
            let busy = &figures.busy;
            json!({
                "figures": figures.numbers,
                "percentiles": figures.percentiles,
                "wrong": figures.wrong,
                "busy": {
                    "contender": busy.contender, "load": busy.load, "upstream": busy.upstream, "others": busy.others,
                },
            })
        });
        json!({
            "load": entry.load.letter(),
            "at_a_time": entry.load.size(),
            "contender": entry.contender.name,
            "rounds": rounds.collect::<Vec<_>>(),
            "failed": entry.failed,
        })
    });
    let contenders =
        options.contenders.iter().map(|contender| json!({ "name": contender.name, "what": contender.what }));
    let absent = results.absent.iter().map(|(contender, why)| json!({ "name": contender.name, "why": why }));
    Ok(json!({
        "heading": table::heading()?,
        "command": options.command,
        "rounds": options.rounds,
        "seconds": results.seconds,
        "files": results.files,
        "cores": { "contender": results.halves.contender, "load_and_upstream": results.halves.load },
        "contenders": contenders.collect::<Vec<_>>(),
        "absent": absent.collect::<Vec<_>>(),
        "results": entries.collect::<Vec<_>>(),
    }))
}
