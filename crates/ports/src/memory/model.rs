//! A model that says what it was told to say.

use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;

use super::lock;
use crate::model::{Completion, Error, LanguageModel, Prompt};

/// What a scripted model does when it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Answers.
    Answer(Completion),
    /// Fails.
    Failure(Error),
    /// Never returns.
    Nothing,
}

/// Answers what it was given, in that order, and remembers what it was asked. Asked once more, it is away.
#[derive(Debug, Default)]
pub struct ScriptedModel {
    script: Mutex<VecDeque<Said>>,
    asked: Mutex<Vec<Prompt>>,
}

impl ScriptedModel {
    /// Answers so, one after the other.
    pub fn new(script: impl IntoIterator<Item = Said>) -> Self {
        Self { script: Mutex::new(script.into_iter().collect()), asked: Mutex::default() }
    }

    /// What it was asked so far, oldest first.
    pub fn asked(&self) -> Vec<Prompt> {
        lock(&self.asked).clone()
    }
}

#[async_trait]
impl LanguageModel for ScriptedModel {
    fn provider(&self) -> &'static str {
        "scripted"
    }

    fn name(&self) -> &'static str {
        "scripted"
    }

    async fn complete(&self, prompt: &Prompt) -> Result<Completion, Error> {
        lock(&self.asked).push(prompt.clone());
        let said = lock(&self.script).pop_front();
        match said {
            Some(Said::Answer(completion)) => Ok(completion),
            Some(Said::Failure(error)) => Err(error),
            Some(Said::Nothing) => std::future::pending().await,
            None => Err(Error::Unavailable { reason: "the script has ended".to_owned(), retry_after: None }),
        }
    }
}
