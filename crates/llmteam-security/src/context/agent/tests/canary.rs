//! A random marker is sealed, then looked for in everything that comes out.

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};

use super::*;
use crate::context::random;

/// The forms in which a marker may show.
fn forms(marker: [u8; 32]) -> Vec<Vec<u8>> {
    let list: Vec<String> = marker.iter().map(u8::to_string).collect();
    let mut forms = vec![
        marker.to_vec(),
        HEXLOWER.encode(&marker).into(),
        HEXUPPER.encode(&marker).into(),
        list.join(",").into(),
        list.join(", ").into(),
    ];
    // Base64 of the marker inside of something else, at each of the three offsets, without the characters that
    // what stands around it has a part in; and of its hex.
    let hex = HEXLOWER.encode(&marker).into_bytes();
    for inner in [marker.to_vec(), hex] {
        for offset in 0..3 {
            let padded = [vec![0; offset], inner.clone()].concat();
            for text in [BASE64.encode(&padded), BASE64URL_NOPAD.encode(&padded)] {
                let text = text.trim_end_matches('=');
                let start = [0, 2, 3][offset];
                forms.push(text.as_bytes()[start..text.len() - 1].to_vec());
            }
        }
    }
    forms
}

/// Bytes as a text of as many characters, in which the standard library searches fast.
fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn holds(output: &[u8], forms: &[Vec<u8>]) -> bool {
    let output = text(output);
    forms.iter().any(|form| output.contains(&text(form)))
}

#[test]
fn the_search_finds_what_it_looks_for() {
    let marker = [0xfb; 32];
    let forms = forms(marker);
    let hex = HEXLOWER.encode(&marker);
    for (n, output) in [
        format!("a {hex} b").into_bytes(),
        [b"raw ".as_slice(), &marker].concat(),
        format!("{marker:?}").into_bytes(),
        serde_json::to_vec(&marker).unwrap(),
        BASE64
            .encode(&[b"xy".as_slice(), &marker, b"z"].concat())
            .into_bytes(),
        BASE64
            .encode(format!("{{\"k\": \"{hex}\"}}").as_bytes())
            .into_bytes(),
        BASE64URL_NOPAD
            .encode(&[b"x".as_slice(), &marker, b"z"].concat())
            .into_bytes(),
    ]
    .iter()
    .enumerate()
    {
        assert!(holds(output, &forms), "{n}");
    }
    assert!(!holds(BASE64.encode(&[0xfa; 64]).as_bytes(), &forms));
}

#[tokio::test]
async fn a_sealed_marker_is_found_in_nothing_that_comes_out() {
    // covers: CTX-07, CTX-25
    for round in 0..200 {
        let world = World::new();
        let marker: [u8; 32] = random::bytes().unwrap();
        let key = world.key(&format!("r{round}")).await;
        let encrypted = round % 2 == 0;
        let services = match encrypted {
            true => world.services().with_key(key),
            false => world.services(),
        };
        let sensitivity = SensitivityLevel::ALL[round % 4];
        let policy = ContextAccessPolicy::with_sensitivity(sensitivity);
        let mut context = create_secure_context(&world.agent, "A", policy, services).unwrap();
        let forms = forms(marker);
        let outputs = outputs(&world, &mut context, marker, encrypted).await;
        assert!(outputs.len() > 40);
        for (n, output) in outputs.iter().enumerate() {
            assert!(!holds(output, &forms), "output {n} of round {round}");
        }
        // It is there, for its owner.
        let sealed = context.get_sealed(&world.agent, "raw").await.unwrap();
        assert_eq!(sealed, json!(marker.to_vec()));
    }
}

/// Seals the marker in several forms and places, and collects what comes out of everything.
async fn outputs(
    world: &World,
    context: &mut SecureAgentContext,
    marker: [u8; 32],
    encrypted: bool,
) -> Vec<Vec<u8>> {
    let (owner, hex) = (&world.agent, HEXLOWER.encode(&marker));
    let recorded = world.log.attempts().len();
    let mut out: Vec<String> = Vec::new();
    // Sealed as a value, moved from the data, and left in a field that is then sealed.
    context
        .set_sealed(owner, "raw", json!(marker.to_vec()))
        .await
        .unwrap();
    context
        .set_sealed(owner, "hex", json!({"deep": [hex]}))
        .await
        .unwrap();
    context
        .set_data("moved", json!(BASE64.encode(&marker)))
        .unwrap();
    context.seal_field(owner, "moved").await.unwrap();
    context.update_last_action(hex.clone()).unwrap();
    context.add_reasoning_step(hex.clone()).unwrap();
    context.seal_field(owner, "last_action").await.unwrap();
    context.seal_field(owner, "reasoning_steps").await.unwrap();
    for (name, sealed) in &context.sealed {
        out.extend([
            format!("{name} {sealed:?}"),
            format!("{sealed:#?}"),
            sealed.to_string(),
        ]);
        if let Ok(text) = sealed.text() {
            assert!(holds(&text, &forms(marker)));
        }
    }
    for token in [
        &world.agent,
        &world.group,
        &world.pipe,
        &world.peer,
        &world.ops,
        &world.foreign,
    ] {
        let view = context
            .get_visible_context(&world.viewer(token))
            .await
            .unwrap();
        out.extend([format!("{view:?}"), serde_json::to_string(&view).unwrap()]);
        let errors = [
            context.get_sealed(token, "nothing").await.map(drop),
            context.unseal_field(token, "nothing").await.map(drop),
            context.owner_view(token).await.map(drop),
            context.set_data("raw", json!(hex)),
            context.update_confidence(f64::NAN),
        ];
        out.extend(
            errors
                .into_iter()
                .filter_map(Result::err)
                .map(|it| format!("{it} {it:?}")),
        );
    }
    let own = context.owner_view(owner).await.unwrap();
    out.extend([format!("{own:?}"), serde_json::to_string(&own).unwrap()]);
    out.push(format!("{context:?} {:#?} {:?}", context, context.services));
    out.push(serde_json::to_string(&context.policy(owner).unwrap()).unwrap());
    let exported = context.export(owner, 1).await;
    assert_eq!(exported.is_ok(), encrypted);
    let mut bytes: Vec<Vec<u8>> = match exported {
        Ok(blob) => vec![
            blob.as_bytes().to_vec(),
            blob.to_text().into(),
            format!("{blob:?}").into(),
        ],
        Err(error) => vec![error.to_string().into()],
    };
    for attempt in world.log.attempts().iter().skip(recorded) {
        out.push(format!(
            "{attempt:?} {}",
            serde_json::to_string(attempt).unwrap()
        ));
    }
    bytes.extend(out.into_iter().map(String::into_bytes));
    bytes
}
