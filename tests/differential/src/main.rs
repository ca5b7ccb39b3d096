//! Compares the verdicts of sockless with those of tungstenite and of wsproto, for generated cases:
//! which events are delivered, whether there is a violation, and with which code. See `run`.

mod case;
mod compare;
mod differences;
mod messages;
mod model;
mod options;
mod shrink;
mod table;
mod tungstenite;
mod verdict;
mod wsproto;

use std::{io, panic, process::ExitCode, thread};

use case::Case;
use compare::{Oracle, compare};
use differences::Peer;
use options::Options;
use support::random::Rng;
use table::Counts;

/// The cases for which a peer is asked at once.
const BATCH: u64 = 256;

fn main() -> ExitCode {
    let Some(options) = Options::parse(std::env::args().skip(1)) else {
        eprintln!("{}", options::USAGE);
        return ExitCode::from(2);
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let with = |peer, cases| move || run_cases(options, peer, cases).map(|counts| (peer, counts));
    let counts = thread::scope(|scope| {
        let runs = [
            scope.spawn(with(Peer::Tungstenite, options.tungstenite)),
            scope.spawn(with(Peer::Wsproto, options.wsproto)),
        ];
        let joined = runs.map(|run| run.join().expect("the thread does not panic"));
        joined.into_iter().collect::<Result<Vec<_>, String>>()
    })?;
    for (peer, counts) in &counts {
        print!("{}", counts.report(*peer));
    }
    if options.has_default_cases() {
        for (peer, counts) in &counts {
            if let Some(difference) = counts.unseen(*peer) {
                return Err(format!(
                    "{}: no case shows {difference:?}, which is listed",
                    peer.name()
                ));
            }
        }
        table::check(&counts)?;
    }
    Ok(())
}

fn run_cases(options: &Options, peer: Peer, cases: u64) -> Result<Counts, String> {
    let mut counts = Counts::default();
    let mut oracle = match peer {
        _ if cases == 0 => return Ok(counts),
        Peer::Tungstenite => Oracle::Tungstenite,
        Peer::Wsproto => {
            let process = wsproto::Process::start(&options.python);
            Oracle::Wsproto(process.map_err(|error| format!("{}: {error}", options.python))?)
        }
    };
    while counts.cases < cases {
        let end = cases.min(counts.cases + BATCH);
        let batch = (counts.cases..end).map(|index| {
            let mut random = rng_of_case(options.seed, index);
            match peer {
                Peer::Wsproto if index % 2 == 1 => Case::generate_compressed(&mut random),
                _ => Case::generate(&mut random),
            }
        });
        run_batch(&mut oracle, batch.collect(), &mut counts)
            .map_err(|error| format!("{}, seed {}: {error}", peer.name(), options.seed))?;
    }
    Ok(counts)
}

/// The random numbers of one case.
const fn rng_of_case(seed: u64, index: u64) -> Rng {
    Rng(seed.wrapping_mul(0xD134_2543_DE82_EF95) ^ index.wrapping_mul(0x2545_F491_4F6C_DD1D))
}

fn run_batch(oracle: &mut Oracle, cases: Vec<Case>, counts: &mut Counts) -> Result<(), String> {
    let verdicts = oracle.verdicts(&cases).map_err(|error| error.to_string())?;
    for (case, theirs) in cases.into_iter().zip(verdicts) {
        let outcome = match compare(oracle.peer(), &case, &theirs) {
            Ok(outcome) => outcome,
            Err(_) => {
                let smallest = smallest(oracle, case).map_err(|error| error.to_string())?;
                return Err(format!("case {}: {smallest}", counts.cases));
            }
        };
        counts.cases += 1;
        counts.valid += u64::from(outcome.is_valid);
        counts.equal += u64::from(outcome.differences.is_empty());
        for difference in outcome.differences {
            counts.add(difference);
        }
    }
    Ok(())
}

/// The smallest case with a difference that is not listed, and that difference.
fn smallest(oracle: &mut Oracle, case: Case) -> io::Result<String> {
    panic::set_hook(Box::new(|_| {}));
    let mut difference = |case: &Case| {
        let verdicts = oracle.verdicts(std::slice::from_ref(case))?;
        io::Result::Ok(compare(oracle.peer(), case, &verdicts[0]).err())
    };
    let smallest = shrink::minimize(case, |case| matches!(difference(case), Ok(Some(_))));
    let difference = difference(&smallest)?.unwrap_or_default();
    Ok(format!("{difference}\n{}", shrink::describe(&smallest)))
}
