//! `llm-sre access`: tokens, drawn for whoever is to be known.

use anyhow::Context;
use llm_sre_mesh::access::{Access, Role, Token, TokenHash};
use rand::TryRng;
use rand::rngs::SysRng;

use crate::{cli, config, output};

/// What tokens begin with, so that who searches for secrets that were left somewhere finds them.
const PREFIX: &str = "llmsre_";
/// As much chance as the hash has bits.
const TOKEN_BYTES: usize = 32;

/// Does what the command says.
pub(crate) fn run(command: cli::Access) -> anyhow::Result<()> {
    let cli::Access::Token { name, role } = command;
    let token = drawn()?;
    let sha256 = TokenHash::of(&token);
    let known = Token { name: name.clone(), role, sha256: sha256.clone() };
    Access::new(vec![known], Vec::new()).map_err(|error| config::Error::Key {
        place: "--name".to_owned(),
        key: "NAME".to_owned(),
        reason: error.reason,
    })?;
    output::line(format!("The token, which is shown this once; give it to {name} and to nobody else:"))?;
    output::line(format!("\n{token}\n"))?;
    output::line("The lines for the configuration of every process:")?;
    output::line(format!("\n[[access.tokens]]\nname = \"{name}\"\nrole = \"{role}\"\nsha256 = \"{sha256}\""))?;
    if role == Role::Service {
        output::line("\nProcesses show it to each other: write it to the file that access.peer_token_file names.")?;
    }
    Ok(())
}

/// A token from the operating system's generator.
fn drawn() -> anyhow::Result<String> {
    let mut bytes = [0; TOKEN_BYTES];
    SysRng.try_fill_bytes(&mut bytes).context("failed to draw a token")?;
    Ok(format!("{PREFIX}{}", llm_sre_mesh::context::hex(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_is_drawn_twice() {
        let (one, other) = (drawn().unwrap(), drawn().unwrap());
        assert_eq!(one.len(), PREFIX.len() + 2 * TOKEN_BYTES);
        assert!(one.starts_with(PREFIX) && one != other);
    }
}
