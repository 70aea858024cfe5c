//! `llm-sre exchanges`

use llm_sre_proto::diagnosis::v1::{ListModelExchangesRequest, ModelExchange};

use super::{Services, advice};
use crate::cli::{Exchanges, Output};
use crate::config::Config;
use crate::output;

/// How many are asked for at a time: each may hold a whole question.
const PAGE: usize = 20;

pub(super) async fn run(arguments: Exchanges, config: &Config) -> anyhow::Result<()> {
    let services = Services::new(&arguments.client, config)?;
    let mut request = ListModelExchangesRequest { parent: arguments.diagnosis, ..ListModelExchangesRequest::default() };
    let mut left = arguments.limit;
    let mut is_first = true;
    while left > 0 {
        request.page_size = i32::try_from(left.min(PAGE)).unwrap_or(i32::MAX);
        let page = services.diagnoses().list_model_exchanges(request.clone()).await?.into_inner();
        for exchange in page.exchanges.iter().take(left) {
            match arguments.client.output {
                Output::Json => output::json(exchange)?,
                Output::Table => show(exchange, is_first)?,
            }
            is_first = false;
        }
        left -= page.exchanges.len().min(left);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    if is_first && arguments.client.output == Output::Table {
        output::line("no model was asked about it")?;
    }
    Ok(())
}

fn show(exchange: &ModelExchange, is_first: bool) -> anyhow::Result<()> {
    if !is_first {
        output::line("")?;
    }
    let used = exchange.model.clone().unwrap_or_default();
    output::fields(&[
        ("exchange", exchange.name.clone()),
        ("ended", output::time(exchange.end_time.as_ref())),
        ("model", advice::who(&used)),
        ("prompt", used.prompt.clone()),
        ("took", if exchange.end_time.is_some() { format!("{} ms", used.duration_ms) } else { String::new() }),
        ("cost", if exchange.end_time.is_some() { advice::spent(&used) } else { String::new() }),
        ("error", advice::line(&exchange.error)),
    ])?;
    let texts =
        [("instructions", &exchange.instructions), ("question", &exchange.question), ("answer", &exchange.answer)];
    for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        output::line(format!("--- {name}"))?;
        output::line(advice::lines(text))?;
    }
    Ok(())
}
