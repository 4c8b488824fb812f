/** Tells the compiler that style sheets may be imported for their effect; Vite does it. */
declare module "*.css";
