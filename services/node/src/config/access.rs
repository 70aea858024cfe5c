//! Who is known at the ports of this process, and which token it shows to others.

use std::path::{Path, PathBuf};

use llm_sre_mesh::access::{self, Bearer, Role, Token, TokenHash};
use serde::{Deserialize, Serialize};

use super::opensearch::Secret;

/// What is wrong: a key below `access`, and the reason.
pub(crate) type Mistake = (String, String);

/// Sign-in by tokens. Where none is configured, everybody who reaches a port may do everything.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Access {
    /// Names of hosts, beside `localhost` and IP addresses, under which browsers may ask.
    pub(crate) hosts: Vec<String>,
    /// The file with the token that this process shows to the other processes of the product, beside the
    /// configuration's where it is relative. The variable `LLM_SRE_PEER_TOKEN` comes before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) peer_token_file: Option<PathBuf>,
    /// What the variable says.
    #[serde(skip)]
    pub(crate) peer_token: Option<Secret>,
    /// What `LLM_SRE_TOKEN` says: the token of whoever asks from the command line.
    #[serde(skip)]
    pub(crate) own_token: Option<Secret>,
    /// Who is known, and as what. `llm-sre access token` draws a token and prints its lines.
    pub(crate) tokens: Vec<Token>,
}

impl Access {
    /// Relative paths are meant beside the configuration's file.
    pub(super) fn beside(&mut self, folder: &Path) {
        self.peer_token_file = self.peer_token_file.take().map(|file| folder.join(file));
    }

    /// What the ports ask.
    pub(crate) fn at_ports(&self) -> Result<access::Access, Mistake> {
        access::Access::new(self.tokens.clone(), self.hosts.clone()).map_err(|error| (error.key, error.reason))
    }

    /// The token for the other processes of the product, read now; `None` where none is configured.
    pub(crate) fn for_peers(&self) -> Result<Option<Bearer>, Mistake> {
        const KEY: &str = "peer_token_file";
        let Some(token) = read(KEY, self.peer_token.as_ref(), self.peer_token_file.as_deref())? else {
            return Ok(None);
        };
        let hash = TokenHash::of(&token);
        match self.tokens.iter().find(|known| known.sha256 == hash) {
            Some(known) if known.role != Role::Service => {
                let reason =
                    format!("holds the token of '{}', whose role is {}; peers need service", known.name, known.role);
                Err((KEY.to_owned(), reason))
            }
            _ => bearer(KEY, &token).map(Some),
        }
    }
}

/// The token in a file, which an editor may have ended with a line.
pub(crate) fn token_of(key: &str, file: &Path) -> Result<Bearer, Mistake> {
    let token = read(key, None, Some(file))?;
    bearer(key, &token.unwrap_or_default())
}

/// The token that a variable said.
pub(crate) fn token_said(key: &str, token: &Secret) -> Result<Bearer, Mistake> {
    bearer(key, token.reveal())
}

fn read(key: &str, said: Option<&Secret>, file: Option<&Path>) -> Result<Option<String>, Mistake> {
    match (said, file) {
        (Some(said), _) => Ok(Some(said.reveal().to_owned())),
        (None, Some(file)) => {
            let failed = |error| (key.to_owned(), format!("failed to read {}: {error}", file.display()));
            let text = std::fs::read_to_string(file).map_err(failed)?;
            Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
        }
        (None, None) => Ok(None),
    }
}

fn bearer(key: &str, token: &str) -> Result<Bearer, Mistake> {
    Bearer::new(token).map_err(|error| (key.to_owned(), error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::Overrides;
    use super::super::tests::load_text;

    const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn mistakes_about_tokens_name_their_keys() {
        let token = |rest: &str| format!("[[access.tokens]]\n{rest}");
        let of = |name: &str| token(&format!("name = \"{name}\"\nrole = \"viewer\"\nsha256 = \"{HASH}\"\n"));
        for (text, expected) in [
            (token("name = \"a\"\nrole = \"root\"\nsha256 = \"\""), "access.tokens[0].role: unknown variant `root`"),
            (token("name = \"a\"\nrole = \"admin\"\nsha256 = \"abc\""), "access.tokens[0].sha256: is not a SHA-256"),
            (token("name = \"a\"\nrole = \"admin\""), "access.tokens[0]: missing field `sha256`"),
            (token("name = \"a\"\ntoken = \"hush\""), "access.tokens[0].token: unknown field"),
            (of("Alice"), "access.tokens[0].name: 'Alice' is not 1 to 64"),
            (of("remediation"), "access.tokens[0].name: 'remediation' is what the product calls"),
            (of("a") + &of("a"), "access.tokens[1].name: 'a' stands twice"),
            (of("a") + &of("b"), "access.tokens[1].sha256: is the token of 'a' already"),
            ("[access]\nhosts = [\"http://h\"]".to_owned(), "access.hosts[0]: 'http://h' is not the name of a host"),
            ("[access]\npeer_token = \"hush\"".to_owned(), "access.peer_token: unknown field"),
            ("[access]\nown_token = \"hush\"".to_owned(), "access.own_token: unknown field"),
        ] {
            let found = load_text(&text, &[], Overrides::default()).unwrap_err();
            assert!(found.contains(expected) && !found.contains("hush"), "{text:?} gave {found:?}, not {expected:?}");
        }
    }

    #[test]
    fn tokens_of_this_process_are_not_shown_and_those_of_others_are_hashes() {
        let text = format!("[[access.tokens]]\nname = \"a\"\nrole = \"viewer\"\nsha256 = \"{HASH}\"\n");
        let variables = [("LLM_SRE_PEER_TOKEN", "hush"), ("LLM_SRE_TOKEN", "hush")];
        let config = load_text(&text, &variables, Overrides::default()).unwrap();
        let shown = format!("{config:?}{}", config.to_toml().unwrap());
        assert!(!shown.contains("hush") && shown.contains(HASH), "{shown}");
        assert!(config.access.for_peers().unwrap().is_some() && config.access.at_ports().unwrap().asks());
        assert!(load_text(&config.to_toml().unwrap(), &[], Overrides::default()).is_ok(), "what is dumped is read");
    }

    #[test]
    fn peers_are_shown_the_token_of_a_service() {
        let text = format!("[[access.tokens]]\nname = \"a\"\nrole = \"viewer\"\nsha256 = \"{HASH}\"\n");
        for (variable, expected) in [("abc", "holds the token of 'a', whose role is viewer"), ("a b", "is not a token")]
        {
            let config = load_text(&text, &[("LLM_SRE_PEER_TOKEN", variable)], Overrides::default()).unwrap();
            let (key, reason) = config.access.for_peers().unwrap_err();
            assert!(key == "peer_token_file" && reason.contains(expected), "{key}: {reason}");
        }
        let text = "[access]\npeer_token_file = \"absent\"";
        let config = load_text(text, &[], Overrides::default()).unwrap();
        let (_, reason) = config.access.for_peers().unwrap_err();
        assert!(reason.contains("failed to read") && reason.contains("absent"), "{reason}");
    }
}
