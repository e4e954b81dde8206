use std::collections::BTreeMap;

use tokio::task::JoinSet;

use super::*;

const MIB: u64 = 1024 * 1024;

fn gate(calls: u32, memory: u64, queue: u32) -> Arc<Gate> {
    waiting(calls, memory, queue, Duration::from_millis(200))
}

fn patient(calls: u32, memory: u64, queue: u32) -> Arc<Gate> {
    waiting(calls, memory, queue, Duration::from_secs(60))
}

fn waiting(calls: u32, memory: u64, queue: u32, wait: Duration) -> Arc<Gate> {
    let gate = Gate::new(Capacity {
        calls,
        memory,
        queue,
        wait,
    });
    Arc::new(gate.unwrap())
}

fn limits(memory: u64) -> Limits {
    Limits {
        memory,
        ..Limits::default()
    }
}

fn share(calls: u32, queue: u32) -> Arc<Share> {
    Arc::new(Share::new(Bounds {
        calls,
        pages: u64::MAX,
        queue,
        calls_rule: "calls".into(),
        queue_rule: "queue".into(),
    }))
}

fn free() -> Arc<Share> {
    share(u32::MAX, u32::MAX)
}

fn claim(memory: u64, principal: &Arc<Share>) -> Claim {
    Claim::new(&limits(memory), Arc::clone(principal), [None, None])
}

async fn enter(gate: &Gate, claim: Claim) -> Result<Seat<'_>, TurnedAway> {
    let deadline = Instant::now() + Duration::from_secs(60);
    gate.enter(claim, deadline, &CancellationToken::new()).await
}

/// Calls of one principal, each of which gives way to others once, in the order
/// in which they start.
fn crowd(
    calls: &mut JoinSet<()>,
    order: &Arc<Mutex<Vec<&'static str>>>,
    gate: &Arc<Gate>,
    (name, count): (&'static str, usize),
    claim: &Claim,
) {
    for _ in 0..count {
        let (order, gate, claim) = (Arc::clone(order), Arc::clone(gate), claim.clone());
        calls.spawn(async move {
            let _seat = enter(&gate, claim).await.unwrap();
            order.lock().unwrap().push(name);
            tokio::task::yield_now().await;
        });
    }
}

#[track_caller]
fn assert_empty(gate: &Gate) {
    let room = gate.room();
    assert_eq!((room.seats, room.pages), room.all);
    assert_eq!((room.waiting, room.lines.len()), (0, 0));
}

#[tokio::test]
async fn r31_memory_that_is_set_aside_is_never_more_than_was_given() {
    let one = pages_of(&limits(64 * MIB)) * PAGE;
    let (gate, who) = (gate(100, 3 * one, 0), free());
    let mut seats = Vec::new();
    for _ in 0..3 {
        seats.push(enter(&gate, claim(64 * MIB, &who)).await.unwrap());
    }
    let refused = enter(&gate, claim(64 * MIB, &who)).await.unwrap_err();
    let TurnedAway::Full(load) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((load.running, load.memory), (3, 3 * one));
    seats.pop();
    assert!(enter(&gate, claim(64 * MIB, &who)).await.is_ok());
    drop(seats);
    assert_empty(&gate);
}

#[tokio::test]
async fn r31_those_who_wait_are_let_in_when_others_leave_and_turned_away_in_time() {
    let (gate, who) = (gate(1, 1024 * MIB, 1), free());
    let first = enter(&gate, claim(MIB, &who)).await.unwrap();
    let late = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(first);
    };
    let (second, ()) = tokio::join!(enter(&gate, claim(MIB, &who)), late);
    let second = second.unwrap();
    let start = Instant::now();
    let (third, fourth) = tokio::join!(
        enter(&gate, claim(MIB, &who)),
        enter(&gate, claim(MIB, &who))
    );
    assert!(matches!(third, Err(TurnedAway::Full(_))));
    assert!(matches!(
        fourth,
        Err(TurnedAway::Full(Load { waiting: 1, .. }))
    ));
    assert!(start.elapsed() >= Duration::from_millis(200));
    drop(second);
    assert_empty(&gate);
}

#[tokio::test]
async fn who_gives_up_leaves_the_queue() {
    let (gate, who) = (gate(1, 1024 * MIB, 1), free());
    let first = enter(&gate, claim(MIB, &who)).await.unwrap();
    let token = CancellationToken::new();
    token.cancel();
    let deadline = Instant::now() + Duration::from_secs(60);
    let second = gate.enter(claim(MIB, &who), deadline, &token).await;
    assert_eq!(second.unwrap_err(), TurnedAway::Cancelled);
    drop(first);
    assert_empty(&gate);
}

#[tokio::test]
async fn c08_who_makes_one_call_has_its_turn_behind_a_thousand() {
    let gate = patient(1, 4096 * MIB, 2000);
    let order = Arc::default();
    let mut calls = JoinSet::new();
    crowd(
        &mut calls,
        &order,
        &gate,
        ("flood", 1000),
        &claim(MIB, &free()),
    );
    tokio::task::yield_now().await;
    crowd(
        &mut calls,
        &order,
        &gate,
        ("canary", 1),
        &claim(MIB, &free()),
    );
    while calls.join_next().await.is_some() {}
    let order = order.lock().unwrap();
    let turn = order.iter().position(|name| *name == "canary").unwrap();
    assert!(turn <= 3, "the canary had turn {turn}");
    assert_eq!(order.len(), 1001);
    assert_empty(&gate);
}

#[tokio::test]
async fn c08_principals_take_turns_and_large_calls_count_more() {
    let one = pages_of(&limits(64 * MIB)) * PAGE;
    let gate = patient(100, 4 * one, 2000);
    let large = pages_of(&limits(64 * MIB + one)) * PAGE;
    let order = Arc::default();
    let mut calls = JoinSet::new();
    crowd(
        &mut calls,
        &order,
        &gate,
        ("small", 200),
        &claim(64 * MIB, &free()),
    );
    crowd(
        &mut calls,
        &order,
        &gate,
        ("large", 200),
        &claim(64 * MIB + one, &free()),
    );
    while calls.join_next().await.is_some() {}
    let order = order.lock().unwrap();
    let mut count: BTreeMap<&str, u64> = BTreeMap::new();
    for name in &order[4..154] {
        *count.entry(name).or_default() += 1;
    }
    let (small, large) = (count["small"] * one, count["large"] * large);
    assert!(small.abs_diff(large) <= 4 * one, "{count:?}");
    assert_empty(&gate);
}

#[tokio::test]
async fn c08_a_large_call_is_not_starved_by_small_ones() {
    let one = pages_of(&limits(MIB)) * PAGE;
    let (gate, many) = (patient(100, 8 * one, 2000), free());
    let order = Arc::default();
    let mut calls = JoinSet::new();
    crowd(
        &mut calls,
        &order,
        &gate,
        ("small", 300),
        &claim(MIB, &many),
    );
    tokio::task::yield_now().await;
    crowd(
        &mut calls,
        &order,
        &gate,
        ("large", 1),
        &claim(MIB + 6 * one, &free()),
    );
    while calls.join_next().await.is_some() {}
    let order = order.lock().unwrap();
    let turn = order.iter().position(|name| *name == "large").unwrap();
    assert!(turn <= 20, "it had turn {turn}");
    assert_empty(&gate);
}

/// Each time that a call ends, a caller comes who was never there.
#[test]
fn c08_ever_new_principals_do_not_keep_one_who_waits() {
    let gate = patient(1, 4096 * MIB, 2000);
    let mut room = gate.room();
    let (first, mut running) = (free(), claim(MIB, &free()));
    room.take(&running);
    for _ in 0..20 {
        room.line_up(claim(MIB, &first), Arc::default());
    }
    let mut served = 0;
    for _ in 0..400 {
        room.line_up(claim(MIB, &free()), Arc::default());
        room.give_back(&running);
        let (line, place) = room.next().unwrap();
        running = room.lines[line].waiting[place].claim.clone();
        assert_eq!(room.call_up().len(), 1);
        served += usize::from(Arc::ptr_eq(&running.principal, &first));
    }
    assert_eq!(served, 20);
}

#[tokio::test]
async fn bounds_of_principal_skill_and_tool_hold_and_keep_no_other() {
    let gate = gate(100, 64 << 30, 2000);
    let (one, skill) = (share(2, 1), share(3, 0));
    let of_skill = |who: &Arc<Share>| {
        Claim::new(
            &limits(MIB),
            Arc::clone(who),
            [Some(Arc::clone(&skill)), None],
        )
    };
    let _first = enter(&gate, of_skill(&one)).await.unwrap();
    let _second = enter(&gate, of_skill(&one)).await.unwrap();
    let (third, fourth) = tokio::join!(
        enter(&gate, claim(MIB, &one)),
        enter(&gate, claim(MIB, &one))
    );
    assert!(matches!(third, Err(TurnedAway::Share(rule, _)) if &*rule == "calls"));
    assert!(matches!(fourth, Err(TurnedAway::Share(rule, _)) if &*rule == "queue"));
    let others = [free(), free()];
    let _other = enter(&gate, of_skill(&others[0])).await.unwrap();
    let (waits, goes) = tokio::join!(
        enter(&gate, of_skill(&others[1])),
        enter(&gate, claim(MIB, &others[1]))
    );
    assert!(matches!(waits, Err(TurnedAway::Share(rule, _)) if &*rule == "calls"));
    assert!(goes.is_ok());
}

/// C02: whatever is dropped, and whenever, nothing is lost.
#[tokio::test]
async fn c02_calls_that_come_and_go_at_random_leave_nothing_behind() {
    for seed in 0..12 {
        let mut random = fastrand::Rng::with_seed(seed);
        let one = pages_of(&limits(MIB)) * PAGE;
        let gate = gate(random.u32(1..6), one * random.u64(8..20), random.u32(0..40));
        let principals: Vec<_> = (0..random.usize(1..6))
            .map(|_| share(random.u32(1..5), random.u32(0..20)))
            .collect();
        let skill = share(random.u32(1..4), 0);
        let mut calls = JoinSet::new();
        for _ in 0..400 {
            let who = Arc::clone(&principals[random.usize(..principals.len())]);
            let other = random.bool().then(|| Arc::clone(&skill));
            let claim = Claim::new(&limits(random.u64(1..8) * MIB), who, [other, None]);
            let (gate, token) = (Arc::clone(&gate), CancellationToken::new());
            let times: [u64; 4] = std::array::from_fn(|_| random.u64(..20_000));
            let [pause, patience, work, cancel] = times.map(Duration::from_micros);
            calls.spawn(async move {
                tokio::time::sleep(pause * 4).await;
                let deadline = Instant::now() + Duration::from_secs(1);
                let call = async {
                    let _seat = gate.enter(claim, deadline, &token).await?;
                    tokio::time::sleep(work).await;
                    Ok::<(), TurnedAway>(())
                };
                tokio::select! {
                    _ = call => {}
                    () = tokio::time::sleep(patience) => {}
                    () = async { tokio::time::sleep(cancel).await; token.cancel(); std::future::pending().await } => {}
                }
            });
        }
        while calls.join_next().await.is_some() {}
        assert_empty(&gate);
        assert!(
            principals.iter().chain([&skill]).all(|it| it.is_idle()),
            "{seed}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c02_threads_that_come_and_go_leave_nothing_behind() {
    let gate = gate(3, 4096 * MIB, 50);
    let principals = [free(), share(2, 5), free()];
    let mut calls = JoinSet::new();
    for number in 0..3000_usize {
        let (gate, claim) = (Arc::clone(&gate), claim(MIB, &principals[number % 3]));
        calls.spawn(async move {
            let patience = Duration::from_micros((number % 7) as u64 * 30);
            let call = async {
                let _seat = enter(&gate, claim).await?;
                tokio::task::yield_now().await;
                Ok::<(), TurnedAway>(())
            };
            let _ = tokio::time::timeout(patience, call).await;
        });
    }
    while calls.join_next().await.is_some() {}
    assert_empty(&gate);
}
