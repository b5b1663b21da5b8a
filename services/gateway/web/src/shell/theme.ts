/** Light, dark, or what the system says. Remembered by the browser. */
import { useEffect, useState } from "preact/hooks";

const themes = ["system", "light", "dark"] as const;
export type Theme = (typeof themes)[number];
const key = "reveille.theme";

const stored = (): Theme => themes.find((theme) => theme === localStorage.getItem(key)) ?? "system";

export function applyTheme(theme: Theme = stored()): void {
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
}

export function useTheme(): [Theme, () => void] {
  const [theme, setTheme] = useState(stored);
  useEffect(() => applyTheme(theme), [theme]);
  const next = (): void => {
    const chosen = themes[(themes.indexOf(theme) + 1) % themes.length]!;
    localStorage.setItem(key, chosen);
    setTheme(chosen);
  };
  return [theme, next];
}
