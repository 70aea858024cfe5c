//! Secrets in the arguments of commands whose options have no telling name: `curl -u`, `mysql -p`.

use super::names::Class;
use super::{Kind, Span, scan, values};

/// A program's option that takes a secret.
struct Secret {
    /// How the program's name begins.
    program: &'static str,
    option: &'static str,
    /// Whether the secret is the next word; it may also follow the option directly.
    is_next: bool,
}

const fn next(program: &'static str, option: &'static str) -> Secret {
    Secret { program, option, is_next: true }
}

const SECRETS: [Secret; 20] = [
    next("curl", "--proxy-user"),
    next("curl", "--user"),
    next("curl", "-u"),
    next("curl", "-U"),
    next("http", "-a"),
    Secret { program: "mysql", option: "-p", is_next: false },
    Secret { program: "mariadb", option: "-p", is_next: false },
    next("sshpass", "-p"),
    next("redis-cli", "-a"),
    next("ldap", "-w"),
    next("docker", "-p"),
    next("podman", "-p"),
    next("helm", "-p"),
    next("oc", "-p"),
    next("mongo", "-p"),
    next("smbclient", "-U"),
    next("snmp", "-c"),
    next("ipmitool", "-P"),
    next("sqlcmd", "-P"),
    next("bcp", "-P"),
];

pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let mut known: Vec<&Secret> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let end = text[at..]
            .find(|c: char| c.is_ascii_whitespace() || matches!(c, '|' | ';'))
            .map_or(text.len(), |len| at + len);
        let word = &text[at..end];
        let bare = word.trim_start_matches(['"', '\'', '`', '(', '$', '[', '\\']);
        if bare.starts_with('-') {
            let start = end - bare.len();
            if let Some(secret) = known.iter().find(|secret| bare.starts_with(secret.option)) {
                at = push(text, start + secret.option.len(), end, secret.is_next, spans).max(end);
                continue;
            }
        } else if !bare.is_empty() {
            // A path may be before the name, and `msg=` before that.
            let program = bare.rsplit(['/', '=', '"', ':']).next().unwrap_or(bare);
            known.extend(SECRETS.iter().filter(|secret| program.starts_with(secret.program)));
        }
        if text[end..].starts_with(['\n', '|', ';']) || known.len() > SECRETS.len() {
            known.clear();
        }
        at = (end + 1).min(text.len());
    }
}

/// Masks the secret of an option that ends at `option`, in a word that ends at `end`; says where to go on.
fn push(text: &str, option: usize, end: usize, is_next: bool, spans: &mut Vec<Span>) -> usize {
    let start = if option < end {
        option
    } else if is_next {
        scan::skip_blanks(text, end)
    } else {
        return end;
    };
    if start == end && option >= end || text[start..].starts_with('-') {
        return end;
    }
    let range = match scan::quote(text, start) {
        Some(open) => open.end..scan::quoted_end(text, open).0,
        None => start..values::bare_end(text, start),
    };
    // `--username=` and the like are other options.
    if text[range.clone()].is_empty() || text.as_bytes()[option..].first().is_some_and(|byte| *byte == b'=') {
        return end;
    }
    let kind = if is_next { Kind::Credentials } else { Class::Password.kind() };
    let after = range.end;
    spans.push(Span { range, kind });
    after
}
