//! What is masked, what stays, and what is known to leak.

mod fields;
mod kept;
mod leaks;
mod people;
mod properties;
mod shapes;

use super::*;

/// Holds each line against what it should become, and all of them to rest when masked again.
fn check(table: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (line, expected) in table {
        let masked = mask(line);
        if masked != *expected {
            wrong.push(format!("  line     {line:?}\n  expected {expected:?}\n  masked   {masked:?}"));
        }
        if mask(&masked) != masked {
            wrong.push(format!("  not at rest: {masked:?}\n  becomes      {:?}", mask(&masked)));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n\n"));
}

/// Holds that lines stay, and are not even copied.
fn check_stays(lines: &[&str]) {
    let changed = lines.iter().filter(|line| !matches!(mask(line), Cow::Borrowed(same) if same == **line));
    let changed: Vec<_> = changed.map(|line| format!("  line   {line:?}\n  masked {:?}", mask(line))).collect();
    assert!(changed.is_empty(), "{} changed:\n{}", changed.len(), changed.join("\n\n"));
}
