//! Where a trace is shown, as an address in which its id is left open.

use std::str::FromStr;

/// What stands in the address where the id goes, which is 32 hexadecimal digits in lower case.
const ID: &str = "{trace_id}";
/// The longest address that every browser and proxy takes.
const BYTES_MAX: usize = 2_000;

/// An address such as `http://127.0.0.1:16686/trace/{trace_id}`. A link to it leads to a server and does nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceUrl(String);

/// What is wrong with an address; no reason shows it, since it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It could lead to something that is no page of a server.
    #[error(
        "does not have the form http://host[:port]/path or https://host[:port]/path, such as http://127.0.0.1:16686/trace/{{trace_id}}"
    )]
    Form,
    /// All traces would be at the same place.
    #[error("does not say where the id goes, by {{trace_id}} in its path or query")]
    NoId,
    /// Whoever reads the page would read it.
    #[error("holds a user or password, which everybody who opens the page would see")]
    Secret,
    /// Not every browser and proxy takes it.
    #[error("is longer than {BYTES_MAX} bytes")]
    TooLong,
}

impl TraceUrl {
    /// The address, with the id left open. None of its characters needs escaping in JSON or HTML but `&` and `'`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TraceUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.len() > BYTES_MAX {
            return Err(Error::TooLong);
        }
        let rest =
            ["http://", "https://"].into_iter().find_map(|scheme| text.strip_prefix(scheme)).ok_or(Error::Form)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(Error::Secret);
        }
        let filled = text.replace(ID, &"0".repeat(32));
        let is_written = |sign: char| sign.is_ascii_graphic() && !"\"<>\\^`{|}".contains(sign);
        let uri = filled.parse::<http::Uri>().ok().filter(|_| filled.chars().all(is_written)).ok_or(Error::Form)?;
        if uri.host().is_none_or(str::is_empty) || authority.contains('{') {
            return Err(Error::Form);
        }
        if text.contains(ID) { Ok(Self(text.to_owned())) } else { Err(Error::NoId) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_leads_to_a_page_of_a_trace_is_taken() {
        for text in [
            "http://127.0.0.1:16686/trace/{trace_id}",
            "https://jaeger.example/ui/trace/{trace_id}?uiEmbed=v0",
            "https://grafana.example/explore?left=%7B%22query%22:%22{trace_id}%22%7D",
            "http://[::1]:16686/trace/{trace_id}",
        ] {
            assert_eq!(text.parse::<TraceUrl>().map(|url| url.as_str().to_owned()), Ok(text.to_owned()));
        }
        for (text, expected) in [
            ("", Error::Form),
            ("javascript:alert('{trace_id}')", Error::Form),
            ("JavaScript://h/%0aalert('{trace_id}')", Error::Form),
            ("data:text/html,{trace_id}", Error::Form),
            ("//jaeger.example/trace/{trace_id}", Error::Form),
            ("/trace/{trace_id}", Error::Form),
            ("http://", Error::Form),
            ("http://{trace_id}.example/", Error::Form),
            ("http://h/trace/{trace_id}\"onclick=\"", Error::Form),
            ("http://h/trace/{trace_id} ", Error::Form),
            ("http://h/trace/{trace_id}\n", Error::Form),
            ("http://h/trace/{id}/{trace_id}", Error::Form),
            ("http://h:16686/trace/", Error::NoId),
            ("http://h:16686/trace/{traceid}", Error::Form),
            ("http://user:hush@h/trace/{trace_id}", Error::Secret),
            (&format!("http://h/{}/{{trace_id}}", "a".repeat(BYTES_MAX)), Error::TooLong),
        ] {
            assert_eq!(text.parse::<TraceUrl>(), Err(expected), "{text:?}");
        }
    }
}
