/** Which language the page speaks: the browser's first that there is, or the one chosen here. */

import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from "react";
import { en, type Messages } from "../messages/en.ts";
import { zh } from "../messages/zh.ts";

const languages = { en, zh } as const satisfies Record<string, Messages>;
export type LanguageCode = keyof typeof languages;
export const languageCodes = Object.keys(languages) as LanguageCode[];

interface Language {
  readonly code: LanguageCode;
  readonly words: Messages;
  choose(code: LanguageCode): void;
}

const storageKey = "bartizan.language";
const Context = createContext<Language>({ code: "en", words: en, choose: () => {} });

export function LanguageProvider({ children }: { children: ReactNode }) {
  const [code, setCode] = useState(firstLanguage);
  useEffect(() => {
    document.documentElement.lang = code === "zh" ? "zh-Hans" : code;
  }, [code]);
  const choose = useCallback((next: LanguageCode) => {
    localStorage.setItem(storageKey, next);
    setCode(next);
  }, []);
  const value = useMemo(() => ({ code, words: languages[code], choose }), [code, choose]);
  return <Context value={value}>{children}</Context>;
}

/** The words of the language in use: `useWords().kick.title("ana", "web1")`. */
export function useWords(): Messages {
  return useContext(Context).words;
}

export function useLanguage(): Language {
  return useContext(Context);
}

function firstLanguage(): LanguageCode {
  const wanted = [localStorage.getItem(storageKey) ?? "", ...navigator.languages];
  for (const each of wanted) {
    const code = each.split("-")[0];
    if (code !== undefined && code in languages) return code as LanguageCode;
  }
  return "en";
}
