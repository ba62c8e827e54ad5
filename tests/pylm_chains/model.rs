//! What has to come of a payload: the functions of `tests/python/foretold.py`, and the hooks of `tests/python/shaping.py`, once more.

use crate::chain::{Chain, Function, Sift, Stage};

/// The results of one payload at the end of a chain, in any order.
pub fn results(chain: &Chain, payload: &str) -> Vec<String> {
    chain.stages.iter().fold(vec![payload.to_owned()], |payloads, stage| pass(stage, &payloads))
}

/// The most messages that one payload becomes anywhere in a chain.
pub fn crowd(chain: &Chain, payload: &str) -> usize {
    let mut most = 1;
    chain.stages.iter().fold(vec![payload.to_owned()], |payloads, stage| {
        let passed = pass(stage, &payloads);
        most = most.max(payloads.len() * stage.copies()).max(passed.len());
        passed
    });
    most
}

/// Whether a stage gives nothing at all for these payloads.
pub fn is_silent(chain: &Chain, payloads: Vec<String>) -> bool {
    let passed = chain.stages.iter().scan(payloads, |payloads, stage| {
        *payloads = pass(stage, payloads);
        Some(payloads.is_empty())
    });
    passed.into_iter().any(|is_empty| is_empty)
}

fn pass(stage: &Stage, payloads: &[String]) -> Vec<String> {
    let copies = payloads.iter().flat_map(|payload| vec![payload; stage.copies()]);
    let results = copies.flat_map(|payload| call(stage.function, payload));
    results.flat_map(|result| vec![result.clone(); times(stage.sift, &result)]).collect()
}

fn sum(payload: &str) -> usize {
    payload.bytes().map(usize::from).sum()
}

fn call(function: Function, payload: &str) -> Vec<String> {
    let with = |letter: &str| format!("{payload}{letter}");
    let (zero, rest) = ("0".to_owned(), sum(payload) % 3);
    match function {
        Function::PassOn => vec![with(".")],
        // A client of pylm's gets a `0` for an error.
        Function::FailSome if rest == 0 => vec![zero],
        Function::ZeroSome if rest == 1 => vec![zero],
        Function::FailSome | Function::ZeroSome => vec![with(".")],
        Function::KeepSome if rest == 2 => vec![with(".")],
        Function::KeepSome => Vec::new(),
        Function::PassTwo => vec![with("a"), with("b")],
        Function::VarySome => ["a", "b"][..rest].iter().map(|letter| with(letter)).collect(),
        Function::ZeroAnd => vec![zero, with(".")],
    }
}

fn times(sift: Option<Sift>, result: &str) -> usize {
    match sift {
        Some(Sift::LeavesOut) if sum(result) % 4 == 1 => 0,
        Some(Sift::Doubles) if sum(result) % 4 == 1 => 2,
        _ => 1,
    }
}
