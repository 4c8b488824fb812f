/** A fault as the page says it: in the person's language where there are words for it, with the server's own beside them. */

import { type CallFault, printable } from "../../proto/client/index.ts";
import { type FaultWords, faultsZh } from "../messages/zh-faults.ts";
import { type LanguageCode, useLanguage } from "./language.tsx";

const translated: Readonly<Record<LanguageCode, Readonly<Record<string, FaultWords>>>> = { en: {}, zh: faultsZh };

export interface SaidFault {
  readonly what: string;
  readonly todo: string;
  /** The server's sentence, which is more exact; empty when it is what is said already. */
  readonly original: string;
}

export function useFaultWords(fault: CallFault): SaidFault {
  const { code, words } = useLanguage();
  const own = translated[code][fault.word];
  const message = printable(fault.message);
  if (own === undefined) return { what: message || words.fault.title, todo: printable(fault.hint), original: "" };
  return { ...own, original: message };
}
