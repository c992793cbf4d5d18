//! tokio: the programs of Workloads.swift on tokio's executor of one thread, as Debian packages it (librust-tokio-dev).
use std::mem::size_of_val;
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, Notify};
use tokio::task::yield_now;

const TURNS: u64 = 100_000;

extern "C" {
    fn sched_getaffinity(process: i32, bytes: usize, mask: *mut u64) -> i32;
    fn sched_setaffinity(process: i32, bytes: usize, mask: *const u64) -> i32;
}

/// Pins the process to the first of the CPUs it may use, as peer.h does.
fn pin() {
    let mut mask = [0u64; 128];
    // SAFETY: the mask has the bytes that are named.
    unsafe { sched_getaffinity(0, size_of_val(&mask), mask.as_mut_ptr()) };
    let Some(word) = mask.iter().position(|&word| word != 0) else { return };
    let first = mask[word] & mask[word].wrapping_neg();
    mask.fill(0);
    mask[word] = first;
    // SAFETY: as above.
    unsafe { sched_setaffinity(0, size_of_val(&mask), mask.as_ptr()) };
}

/// Two tasks wake each other; TURNS wakes in all.
async fn wake_to_run() {
    let (left, right) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (its_left, its_right) = (left.clone(), right.clone());
    let other = tokio::spawn(async move {
        for _ in 0..TURNS / 2 {
            its_right.notified().await;
            its_left.notify_one();
        }
    });
    for _ in 0..TURNS / 2 {
        right.notify_one();
        left.notified().await;
    }
    other.await.expect("a wake was lost");
}

/// `count` tasks that all yield; TURNS yields in all.
async fn yields(count: u64) {
    let tasks: Vec<_> = (1..count)
        .map(|_| {
            tokio::spawn(async move {
                for _ in 0..TURNS / count {
                    yield_now().await;
                }
            })
        })
        .collect();
    for _ in 0..TURNS / count {
        yield_now().await;
    }
    for task in tasks {
        task.await.expect("a yield was lost");
    }
}

/// A hundred tasks at a time, started, run and ended.
async fn spawns() {
    for _ in 0..TURNS / 1000 {
        let tasks: Vec<_> = (0..100).map(|_| tokio::spawn(async {})).collect();
        for task in tasks {
            task.await.expect("a task did not run");
        }
    }
}

/// A word there and a word back through two channels of sixteen.
async fn round_trips() {
    let (to_there, mut there) = mpsc::channel::<u64>(16);
    let (to_back, mut back) = mpsc::channel::<u64>(16);
    tokio::spawn(async move {
        while let Some(word) = there.recv().await {
            to_back.send(word).await.expect("closed");
        }
    });
    let mut sum = 0;
    for turn in 0..TURNS / 10 {
        to_there.send(turn).await.expect("closed");
        sum += back.recv().await.expect("closed");
    }
    assert_eq!(sum, TURNS / 10 * (TURNS / 10 - 1) / 2, "a message changed");
}

/// The best of five batches.
macro_rules! measure {
    ($runtime:expr, $metric:expr, $operations:expr, $batch:expr) => {{
        let mut best = u128::MAX;
        for turn in 0..6 {
            let start = Instant::now();
            $runtime.block_on(async { tokio::spawn($batch).await.expect("a batch failed") });
            if turn > 0 {
                best = best.min(start.elapsed().as_nanos());
            }
        }
        println!(
            "{{\"peer\":\"tokio (Debian), one thread\",\"metric\":\"{}\",\"operations\":{},\"picoseconds\":{}}}",
            $metric,
            $operations,
            best * 1000 / $operations as u128
        );
    }};
}

fn main() {
    pin();
    let runtime = Builder::new_current_thread().build().expect("no runtime");
    measure!(runtime, "wake to run", TURNS, wake_to_run());
    measure!(runtime, "yield (1)", TURNS, yields(1));
    measure!(runtime, "yield (1000)", TURNS, yields(1000));
    measure!(runtime, "spawn, run, end", TURNS / 10, spawns());
    measure!(runtime, "channel round trip", TURNS / 10, round_trips());
}
