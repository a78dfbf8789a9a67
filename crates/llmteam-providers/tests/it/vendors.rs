//! Each vendor's exchanges: the request field by field, the answer, the fault; streams in pieces of any
//! size.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::StreamExt;
use llmteam_orchestration::llm::{ChatDelta, ChatRequest, LlmProvider, collect};
use llmteam_providers::provider_from_config;
use llmteam_security::{clock::SystemClock, secret::Secret};

use crate::{
    fixture::{Fixture, directory, load},
    replay::serve,
};

const KEY: &str = "sk-fixture-key";

fn provider(fixture: &Fixture, url: &str) -> Arc<dyn LlmProvider> {
    let kind = fixture.kind.parse().unwrap();
    let base = match fixture.kind.as_str() {
        "openai" => format!("{url}/v1"),
        _ => url.to_owned(),
    };
    let key = Some(Secret::new(KEY));
    provider_from_config(
        kind,
        &fixture.model,
        Some(&base),
        key,
        Arc::new(SystemClock),
    )
    .unwrap()
}

async fn check(name: &str) {
    let fixture = load(name);
    // A byte at a time, an odd size that splits characters and lines anywhere, all at once.
    let pieces: &[usize] = if fixture.response.is_stream() {
        &[1, 7, usize::MAX]
    } else {
        &[usize::MAX]
    };
    for piece in pieces {
        exchange(&fixture, *piece).await;
    }
}

async fn exchange(fixture: &Fixture, piece: usize) {
    let (url, asked) = serve(fixture.response.clone(), piece).await;
    let provider = provider(fixture, &url);
    let request = fixture.ask.request();
    let outcome = if fixture.response.is_stream() {
        check_pieces(fixture, &*provider, request).await
    } else {
        provider.chat(request).await
    };
    match (&fixture.answer, &fixture.error) {
        (Some(answer), None) => assert_eq!(&outcome.unwrap(), answer),
        (None, Some(fault)) => {
            let error = outcome.unwrap_err();
            fault.check(&error);
            assert!(!format!("{error} {error:?}").contains(KEY), "{error:?}");
        }
        _ => panic!("a fixture has an answer or an error"),
    }
    assert!(!format!("{provider:?}").contains(KEY));

    if fixture.ask.request().timeout.is_some() {
        return asked.abort();
    }
    let asked = asked.await.unwrap();
    assert_eq!(asked.path, fixture.request.path);
    assert_eq!(asked.body, fixture.request.body);
    for (name, value) in &fixture.request.headers {
        assert_eq!(asked.headers.get(name), Some(value), "{name}");
    }
}

/// Streams, checks what came before a fault and that nothing follows the end, and puts the answer together.
async fn check_pieces(
    fixture: &Fixture,
    provider: &dyn LlmProvider,
    request: ChatRequest,
) -> Result<llmteam_orchestration::llm::ChatResponse, llmteam_orchestration::llm::LlmError> {
    let pieces: Vec<_> = provider.stream(request).collect().await;
    let ends = pieces
        .iter()
        .filter(|it| matches!(it, Err(_) | Ok(ChatDelta::Finished { .. })));
    assert_eq!(ends.count(), 1, "one end, and it is the last: {pieces:?}");
    assert!(!matches!(
        pieces.last(),
        Some(Ok(ChatDelta::Text(_) | ChatDelta::ToolCall { .. })) | None
    ));
    if let Some(text) = fixture
        .error
        .as_ref()
        .and_then(|it| it.text_before.as_ref())
    {
        let said = pieces.iter().filter_map(|it| match it {
            Ok(ChatDelta::Text(text)) => Some(text.as_str()),
            _ => None,
        });
        assert_eq!(said.collect::<String>(), *text);
    }
    collect(futures_util::stream::iter(pieces)).await
}

macro_rules! exchanges {
    ($($name:ident)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                check(stringify!($name)).await;
            }
        )*

        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

exchanges! {
    openai_chat openai_tools openai_schema
    openai_stream openai_stream_tools openai_stream_no_done
    openai_stream_cut openai_stream_short openai_stream_malformed openai_stream_error
    openai_400 openai_401 openai_429 openai_429_ms openai_500
    openai_timeout openai_malformed openai_no_choices
    anthropic_chat anthropic_tools anthropic_schema
    anthropic_stream anthropic_stream_tools anthropic_stream_error anthropic_stream_cut
    anthropic_400 anthropic_429 anthropic_500 anthropic_529
    ollama_chat ollama_tools
    ollama_stream ollama_stream_tools ollama_stream_short ollama_stream_error
    ollama_404
}

#[test]
fn every_fixture_is_played_and_says_where_it_is_from() {
    let files: BTreeSet<String> = std::fs::read_dir(directory())
        .unwrap()
        .map(|it| {
            it.unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(files, NAMES.iter().map(|it| String::from(*it)).collect());
    for name in NAMES {
        let fixture = load(name);
        assert!(fixture.source.starts_with("https://"), "{name}");
        assert_eq!(fixture.date.len(), "2026-01-01".len(), "{name}");
    }
}
