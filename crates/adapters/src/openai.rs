//! Language models behind the chat completions of OpenAI's API: Azure OpenAI, and servers that speak the same.
//!
//! Requests are made by `async-openai`, and carried out by a service of our own below it, which bounds and classifies
//! whatever comes back. Thus one call is one request on a connection of its own, a status keeps its meaning whatever
//! body it comes with, and the library, which logs what it cannot read, gets to see only what it can.

mod answer;
mod endpoint;
mod exchange;
mod failure;
mod options;
mod request;
mod retry_after;

use std::fmt;
use std::time::Duration;

use async_openai::Client;
use async_trait::async_trait;
use llm_sre_ports::model::{Completion, Error, LanguageModel, Prompt};
use serde_json::value::RawValue;

use endpoint::Endpoint;
use exchange::Exchange;
use failure::Words;
use request::Request;

pub use options::{BuildError, Options, Secret, Server};

/// A language model that is asked over HTTP. It holds no connection and no state between two calls.
pub struct OpenAi {
    client: Client<Endpoint>,
    server: Server,
    words: Words,
    timeout: Duration,
}

impl OpenAi {
    /// Checks the options. No connection is opened: whether the server is there, and takes the key, shows in a call.
    ///
    /// # Errors
    /// Where an option is wrong, naming it.
    pub fn build(options: Options) -> Result<Self, BuildError> {
        let endpoint = Endpoint::new(&options)?;
        let http = exchange::http_client(options.timeout)?;
        let words = Words::new(options.key);
        let exchange = Exchange::new(http.clone(), options.answer_bytes_max, words.clone());
        let service = tower::service_fn(move |request| exchange.clone().carry_out(request));
        let client = Client::build(http, endpoint).with_http_service(service);
        Ok(Self { client, server: options.server, words, timeout: options.timeout })
    }
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi").field("server", &self.server).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

#[async_trait]
impl LanguageModel for OpenAi {
    fn provider(&self) -> &str {
        self.server.provider()
    }

    fn name(&self) -> &str {
        self.server.model()
    }

    async fn complete(&self, prompt: &Prompt) -> Result<Completion, Error> {
        let request = Request::new(&self.server, prompt)?;
        let chat = self.client.chat();
        let asked = tokio::time::timeout(self.timeout, chat.create_byot::<_, Box<RawValue>>(request)).await;
        let answer = asked.map_err(|_| Error::TimedOut { after_ms: self.timeout.as_millis() })?;
        answer::read(&answer.map_err(failure::of_library)?, prompt, &self.words)
    }
}
