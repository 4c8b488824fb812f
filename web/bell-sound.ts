/** The bell as a sound: one short tone, made in the browser, no file. */

export interface BellSound extends Disposable {
  /** Silent where the browser lets a page sound only after a click into it. Never throws. */
  ring(): void;
}

const toneHz = 880;
const toneS = 0.12;

/** Opens the browser's audio with the first ring; disposing closes it. */
export function createBellSound(): BellSound {
  let audio: AudioContext | undefined;
  return {
    ring() {
      audio ??= new AudioContext();
      if (audio.state === "suspended") audio.resume().catch(() => {});
      const tone = new OscillatorNode(audio, { frequency: toneHz });
      const volume = new GainNode(audio, { gain: 0.15 });
      // To nothing at the end: a tone that is cut clicks.
      volume.gain.linearRampToValueAtTime(0, audio.currentTime + toneS);
      tone.connect(volume).connect(audio.destination);
      tone.start();
      tone.stop(audio.currentTime + toneS);
    },
    [Symbol.dispose]() {
      audio?.close().catch(() => {});
      audio = undefined;
    },
  };
}
