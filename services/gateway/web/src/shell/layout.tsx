/** What stands around every page: where to go, which company, how current it all is. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Company } from "../api/types.js";
import { useLive } from "../live/live.js";
import { isLive } from "../live/live-state.js";
import { Help } from "./help.js";
import { useKeys } from "./keyboard.js";
import { Link, navigate, usePlace } from "./router.js";
import { SignOut } from "./sign-in.js";
import { useTheme } from "./theme.js";

const pages: readonly (readonly [path: string, name: string])[] = [
  ["", "Fleet"],
  ["runs", "Runs"],
  ["issues", "Issues"],
  ["wakes", "Wakes"],
  ["costs", "Costs"],
  ["dead-letters", "Dead letters"],
  ["runners", "Runners"],
  ["partitions", "Partitions"],
];

export function Layout(props: {
  company: Company;
  companies: readonly Company[];
  children: ComponentChildren;
}) {
  const { company, companies, children } = props;
  const [help, setHelp] = useState(false);
  const home = `/${company.id}`;
  useKeys({
    "?": () => setHelp(true),
    "/": () => document.querySelector<HTMLInputElement>("input[type=search]")?.focus(),
    g: () => navigate(home),
    i: () => navigate(`${home}/issues`),
  });
  return (
    <div class="layout">
      <a class="skip" href="#main">
        Skip to the page
      </a>
      <header class="top">
        <Link href={home} class="brand">
          <img src="/favicon.svg" alt="" width="24" height="24" /> Reveille
        </Link>
        <CompanySwitch company={company} companies={companies} />
        <span class="grow" />
        <ConnectionState />
        <ThemeButton />
        <SignOut />
        <button type="button" class="quiet" onClick={() => setHelp(true)} aria-label="Keys">
          ?
        </button>
      </header>
      <Navigation home={home} />
      <main id="main" tabIndex={0}>
        {children}
      </main>
      {help ? <Help onClose={() => setHelp(false)} /> : null}
    </div>
  );
}

function Navigation({ home }: { home: string }) {
  const current = usePlace().segments[1] ?? "";
  const { state } = useLive();
  const running = [...state.runs.values()].filter(({ status }) => isLive(status)).length;
  return (
    <nav class="side" aria-label="Pages">
      {pages.map(([path, name]) => {
        const here = path === current || (path === "" && current === "agents");
        return (
          <Link
            key={path}
            href={path === "" ? home : `${home}/${path}`}
            aria-current={here ? "page" : undefined}
          >
            {name}
            {path === "runs" && running > 0 ? <span class="pill">{running}</span> : null}
          </Link>
        );
      })}
    </nav>
  );
}

function CompanySwitch({
  company,
  companies,
}: {
  company: Company;
  companies: readonly Company[];
}) {
  return (
    <label class="company">
      <span class="unseen">Company</span>
      <select
        value={company.id}
        onChange={({ currentTarget }) => navigate(`/${currentTarget.value}`)}
      >
        {companies.map(({ id, name, status }) => (
          <option key={id} value={id}>
            {status === "active" ? name : `${name} (${status})`}
          </option>
        ))}
      </select>
    </label>
  );
}

const said = {
  connecting: ["wait", "Connecting", "The page is getting the present state"],
  live: ["good", "Live", "What happens is shown as it happens"],
  behind: ["warn", "Behind", "What is shown is some seconds old; the page catches up"],
  offline: [
    "bad",
    "Offline",
    "The gateway does not answer; what is shown is old. The page tries again by itself",
  ],
} as const;

function ConnectionState() {
  const [meaning, name, title] = said[useLive().connection];
  return (
    <span class={`status connection ${meaning}`} title={title} role="status">
      {name}
    </span>
  );
}

const themeNames = { system: "Auto", light: "Light", dark: "Dark" } as const;

function ThemeButton() {
  const [theme, next] = useTheme();
  return (
    <button
      type="button"
      class="quiet"
      onClick={next}
      title="Light, dark, or as the system is"
      aria-label={`Colours: ${themeNames[theme]}`}
    >
      {themeNames[theme]}
    </button>
  );
}
