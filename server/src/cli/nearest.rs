//! "Did you mean", for keys and variables as clap does it for flags.

/// The one of `names` that `name` is most likely a misspelling of.
pub(super) fn nearest(name: &str, names: impl IntoIterator<Item = &'static str>) -> Option<&'static str> {
    names
        .into_iter()
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known)
}
