// Passkeys are the browser's: a button with data-passkey asks the server there for a challenge, has it answered, and sends the
// form around it with the answer in its field.
(() => {
  if (window.guildhallPasskeys) return;
  window.guildhallPasskeys = true;
  const bytes = text => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), c => c.charCodeAt(0));
  const text = buffer => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const known = list => (list || []).map(it => ({ ...it, id: bytes(it.id) }));

  async function make({ publicKey: it }) {
    const made = await navigator.credentials.create({ publicKey: {
      ...it, challenge: bytes(it.challenge), user: { ...it.user, id: bytes(it.user.id) },
      excludeCredentials: known(it.excludeCredentials),
    } });
    const { attestationObject, clientDataJSON } = made.response;
    return answer(made, {
      attestationObject: text(attestationObject), clientDataJSON: text(clientDataJSON),
      transports: made.response.getTransports?.() || [],
    });
  }

  async function sign({ publicKey: it }) {
    const signed = await navigator.credentials.get({ publicKey: {
      ...it, challenge: bytes(it.challenge), allowCredentials: known(it.allowCredentials),
    } });
    const { authenticatorData, clientDataJSON, signature, userHandle } = signed.response;
    return answer(signed, {
      authenticatorData: text(authenticatorData), clientDataJSON: text(clientDataJSON), signature: text(signature),
      userHandle: userHandle && text(userHandle),
    });
  }

  const answer = (it, response) => JSON.stringify({ id: it.id, rawId: text(it.rawId), type: it.type, response, extensions: {} });

  const why = error => ({
    InvalidStateError: "This device has a passkey for you here already.",
    NotAllowedError: "That was cancelled, or took too long. Try again when you are ready.",
  })[error.name] || error.said || "The passkey could not be used. Try again, or use another way.";

  function tell(button, said) {
    const at = button.parentElement.querySelector("[data-passkey-error]");
    at.textContent = said;
    at.hidden = !said;
  }

  document.addEventListener("click", async e => {
    const button = e.target.closest?.("button[data-passkey]");
    if (!button || button.ariaBusy === "true") return;
    e.preventDefault();
    const form = button.form, proof = button.closest("[data-proof]");
    // Another proof is not asked for; the rest of the form still is.
    const others = proof ? [...proof.querySelectorAll("input:not([type=hidden])")] : [];
    others.forEach(it => (it.disabled = true));
    if (form.reportValidity()) {
      button.ariaBusy = "true";
      tell(button, "");
      try {
        if (!window.PublicKeyCredential) throw { said: "This browser takes no passkeys here. They need https, or localhost." };
        const asked = await fetch(button.dataset.passkey, { method: "POST", headers: { accept: "application/json" } });
        if (!asked.ok || asked.redirected) throw { said: asked.status === 429 ? "Too many tries. Wait a little, then try again." : "" };
        const challenge = await asked.json();
        form.elements[button.dataset.field].value = await (challenge.publicKey.user ? make : sign)(challenge);
        return form.requestSubmit();
      } catch (error) {
        tell(button, why(error));
      } finally {
        button.ariaBusy = "false";
      }
    }
    others.forEach(it => (it.disabled = false));
  });
})();
