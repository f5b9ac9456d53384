//! The results of a run: tables on standard output and as a page, with the plots beside it.

use crate::asked::Options;
use crate::harness::Result;
use crate::scenario::Size;
use crate::{estimators, places, plots, promises, run, table};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the page of a complete run belongs.
const PUBLISHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/lab");

/// Runs the lab and reports. `false` when a contender could not be measured.
pub(crate) fn present(options: &Options) -> Result<bool> {
    let results = run::run(options)?;
    let mut page =
        "# The lab\n\nWritten by the bench: [how it is done](../../server/tests/bench/README.md#the-lab).\n".to_owned();
    if !options.scenarios.is_empty() {
        page += &format!("\n{}", table::markdown(options, &results)?);
        let promises = promises::judge(options, &results);
        if !promises.is_empty() {
            page += "\n### Promises\n\n";
        }
        for promise in promises {
            writeln!(page, "- {promise}")?;
        }
    }
    if options.estimators {
        page += &format!("\n### Estimators\n\n{}", estimators::markdown(options.size)?);
    }
    let drawn = plots::draw(options, &results);
    let is_right = results.entries.iter().all(|entry| entry.failed.is_none());
    if options.size == Size::Smoke {
        // Not shown: a few tenths of a second measure the machinery, not the contenders.
        let why = results.entries.iter().find_map(|entry| entry.failed.clone());
        return why.map_or(Ok(true), |why| Err(why.into()));
    }
    let page = wrapped(&page);
    println!("{page}");
    let directory = if options.is_complete { PathBuf::from(PUBLISHED) } else { places::target().join("lab") };
    put_away(&directory, page, &drawn)?;
    eprintln!("README.md and {} plots are in {}", drawn.len(), directory.display());
    Ok(is_right)
}

/// Breaks lines as the other documents have them; rows of tables stay whole.
fn wrapped(page: &str) -> String {
    const WIDTH: usize = 120;
    let mut text = String::new();
    for line in page.lines() {
        let indent = if line.starts_with("- ") { "  " } else { "" };
        let mut width = 0;
        for word in line.split(' ').filter(|_| !line.starts_with('|')) {
            if width > 0 && width + 1 + word.chars().count() > WIDTH {
                text += "\n";
                text += indent;
                width = indent.len();
            } else if width > 0 {
                text += " ";
                width += 1;
            }
            text += word;
            width += word.chars().count();
        }
        if line.starts_with('|') {
            text += line;
        }
        text += "\n";
    }
    text
}

fn put_away(directory: &Path, mut page: String, drawn: &[(String, String)]) -> Result<()> {
    // Removes an earlier run's page and plots, if there are any.
    let _ = fs::remove_dir_all(directory);
    fs::create_dir_all(directory)?;
    if !drawn.is_empty() {
        page += "\n### Plots\n";
    }
    for (name, drawing) in drawn {
        fs::write(directory.join(name), drawing)?;
        writeln!(page, "\n![{name}]({name})")?;
    }
    fs::write(directory.join("README.md"), page)?;
    Ok(())
}
