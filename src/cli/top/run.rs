//! Looking, drawing, keys: looks are taken on a thread of their own, so that a server that does
//! not answer holds up no key.

use std::{
    io,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
};

use super::{
    client::Client,
    model::{Key, Model},
    sample::{Sample, look},
    screen::draw,
};

/// The size of a printed screen.
const COLUMNS: u16 = 80;
const LINES: u16 = 24;
/// How soon what changed is drawn.
const FRAME: Duration = Duration::from_millis(100);

/// Two looks, one screen as text.
pub(super) fn once(client: &Client, interval: Duration) -> Result<String, String> {
    let runtime = runtime().map_err(|error| error.to_string())?;
    let mut model = Model::new(&client.url);
    let now = Instant::now;
    model.looked(Ok(runtime.block_on(look(client))?), now());
    thread::sleep(interval);
    model.looked(Ok(runtime.block_on(look(client))?), now());
    let mut terminal = match Terminal::new(TestBackend::new(COLUMNS, LINES)) {
        Ok(terminal) => terminal,
        Err(never) => match never {},
    };
    match terminal.draw(|frame| draw(frame, &model, now())) {
        Ok(_) => {}
        Err(never) => match never {},
    }
    Ok(text_of(terminal.backend()))
}

fn text_of(screen: &TestBackend) -> String {
    let buffer = screen.buffer();
    let line = |y| {
        let line: String = (0..COLUMNS).map(|x| buffer[(x, y)].symbol()).collect();
        format!("{}\n", line.trim_end())
    };
    (0..LINES).map(line).collect()
}

/// Draws until it is told to quit.
pub(super) fn live(client: Client, interval: Duration) -> io::Result<()> {
    let mut model = Model::new(&client.url);
    let (looks, outcomes) = mpsc::sync_channel(1);
    let runtime = runtime()?;
    thread::Builder::new().name("top-look".to_owned()).spawn(move || {
        loop {
            let outcome: Result<Sample, String> = runtime.block_on(look(&client));
            if looks.send(outcome).is_err() {
                return;
            }
            thread::sleep(interval);
        }
    })?;
    let mut terminal = ratatui::try_init()?;
    let outcome = watch(&mut terminal, &mut model, &outcomes);
    ratatui::restore();
    outcome
}

fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    model: &mut Model,
    outcomes: &mpsc::Receiver<Result<Sample, String>>,
) -> io::Result<()> {
    loop {
        while let Ok(outcome) = outcomes.try_recv() {
            model.looked(outcome, Instant::now());
        }
        terminal.draw(|frame| draw(frame, model, Instant::now()))?;
        if !event::poll(FRAME)? {
            continue;
        }
        if let Event::Key(pressed) = event::read()?
            && let Some(key) = key_of(&pressed)
            && !model.pressed(key)
        {
            return Ok(());
        }
    }
}

fn key_of(event: &KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    match event.code {
        KeyCode::Char('c') if event.modifiers.contains(KeyModifiers::CONTROL) => {
            Some(Key::Interrupt)
        }
        KeyCode::Char(char) => Some(Key::Char(char)),
        KeyCode::Enter => Some(Key::Enter),
        KeyCode::Esc => Some(Key::Escape),
        KeyCode::Backspace => Some(Key::Backspace),
        KeyCode::Up => Some(Key::Up),
        KeyCode::Down => Some(Key::Down),
        _ => None,
    }
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
