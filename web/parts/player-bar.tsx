/** The controls of a replay: play and pause, marks, time, speed, idle times, and what the keyboard does. */

import { ActionIcon, Button, Group, Kbd, Menu, Popover, Stack, Switch, Text, Tooltip } from "@mantine/core";
import type { ReactNode } from "react";
import { neighbour, type ReplayMark } from "../replay-marks.ts";
import { type Replaying, type ReplayingState, speeds } from "../replaying.ts";
import { Icon } from "./icons.tsx";
import { useWords } from "./language.tsx";
import { causeWords, clockWords } from "./phrases.ts";
import { Timeline } from "./timeline.tsx";
import { usePosition } from "./use-position.ts";
import { togglePlaying } from "./use-replay-keys.ts";

export interface PlayerBarProps {
  readonly replaying: Replaying;
  readonly state: ReplayingState;
  readonly totalMs: number;
  readonly marks: readonly ReplayMark[];
  /** At the end of the row: the way back to a session that runs. */
  readonly children?: ReactNode;
}

export function PlayerBar({ replaying, state, totalMs, marks, children }: PlayerBarProps) {
  const words = useWords().past.player;
  const stands = state.is === "ended" || state.is === "live-edge" || state.is === "failed";
  const runs = state.playing && !stands;
  const label = runs ? words.pause : state.is === "ended" ? words.playAgain : words.play;
  const go = (direction: "next" | "previous") => {
    const mark = neighbour(marks, replaying.atMs(), direction);
    if (mark !== undefined) replaying.seek(mark.atMs);
  };
  return (
    <div className="player-bar">
      <Timeline replaying={replaying} totalMs={totalMs} marks={marks} />
      <Group gap="xs" wrap="wrap">
        <Tooltip label={label}>
          <ActionIcon
            size={38}
            radius="xl"
            variant="filled"
            aria-label={label}
            data-testid="play"
            onClick={() => togglePlaying(replaying)}
          >
            <Icon name={runs ? "pause" : state.is === "ended" ? "reopen" : "play"} />
          </ActionIcon>
        </Tooltip>
        <StepButton
          name="previous"
          label={words.previous}
          onClick={() => go("previous")}
          disabled={marks.length === 0}
        />
        <StepButton name="next" label={words.next} onClick={() => go("next")} disabled={marks.length === 0} />
        <Position replaying={replaying} totalMs={totalMs} />
        <Said state={state} />
        {children}
        <SpeedMenu replaying={replaying} speed={state.speed} />
        <Tooltip label={words.skipIdleHint} multiline maw={260}>
          <Switch
            size="sm"
            label={words.skipIdle}
            checked={state.skipIdle}
            onChange={(event) => replaying.setSkipIdle(event.currentTarget.checked)}
          />
        </Tooltip>
        <KeyWords />
      </Group>
    </div>
  );
}

function StepButton(props: { name: "next" | "previous"; label: string; disabled: boolean; onClick(): void }) {
  return (
    <Tooltip label={props.label}>
      <ActionIcon
        variant="subtle"
        color="gray"
        size={34}
        aria-label={props.label}
        disabled={props.disabled}
        onClick={props.onClick}
      >
        <Icon name={props.name} />
      </ActionIcon>
    </Tooltip>
  );
}

function Position({ replaying, totalMs }: { replaying: Replaying; totalMs: number }) {
  const seconds = usePosition(replaying, (atMs) => Math.floor(atMs / 1000));
  return (
    <Text size="sm" className="figures" data-testid="position">
      {clockWords(seconds * 1000)}
      <Text span c="dimmed" inherit>
        {" / "}
        {clockWords(totalMs)}
      </Text>
    </Text>
  );
}

/** Where it stops, and why; beside the time, so that it hides nothing of the last screen. */
function Said({ state }: { state: ReplayingState }) {
  const words = useWords();
  const said =
    state.is === "live-edge"
      ? words.past.player.edge
      : state.is === "ended" && state.cause !== undefined
        ? `${words.watch.overTitle}: ${causeWords(words, state.cause)}`
        : "";
  return (
    <Text size="sm" className="player-said" truncate title={said} data-testid={said === "" ? undefined : "over"}>
      {said}
    </Text>
  );
}

function SpeedMenu({ replaying, speed }: { replaying: Replaying; speed: number }) {
  const words = useWords().past.player;
  return (
    <Menu position="top-end" width={120} withInitialFocusPlaceholder={false}>
      <Menu.Target>
        <Button size="compact-sm" variant="default" aria-label={words.speedOf(`${speed}×`)} data-testid="speed">
          {speed}×
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.RadioGroup value={String(speed)} onChange={(value) => replaying.setSpeed(Number(value))}>
          <Menu.Label>{words.speed}</Menu.Label>
          {speeds.map((each) => (
            <Menu.RadioItem key={each} value={String(each)} closeMenuOnClick>
              {each}×
            </Menu.RadioItem>
          ))}
        </Menu.RadioGroup>
      </Menu.Dropdown>
    </Menu>
  );
}

function KeyWords() {
  const words = useWords().past.player;
  const rows: [keys: string[], said: string][] = [
    [["Space"], words.keyWords.space],
    [["←", "→"], words.keyWords.arrows],
    [["Home", "End"], words.keyWords.ends],
    [["[", "]"], words.keyWords.marks],
    [["<", ">"], words.keyWords.speed],
  ];
  return (
    <Popover position="top-end" withArrow trapFocus={false}>
      <Popover.Target>
        <ActionIcon variant="subtle" color="gray" size={34} aria-label={words.keys} visibleFrom="sm">
          <Icon name="keyboard" />
        </ActionIcon>
      </Popover.Target>
      <Popover.Dropdown aria-label={words.keys}>
        <Stack gap={6}>
          {rows.map(([keys, said]) => (
            <Group key={said} gap={6} wrap="nowrap">
              {keys.map((key) => (
                <Kbd key={key} size="xs">
                  {key}
                </Kbd>
              ))}
              <Text size="sm">{said}</Text>
            </Group>
          ))}
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
