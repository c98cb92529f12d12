// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

interface IToken {
    function balanceOf(address holder) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function approve(address spender, uint256 amount) external returns (bool);
}

/// @title Executor
/// @notice Holds the positions of one owner and runs lists of calls for them, each list in one transaction or not at
/// all. Inside a list it can borrow from a flash lender, who calls back with the rest of the list.
/// @dev No proxy, no upgrade, no storage, no delegatecall. Only the owner starts a list, so nothing that a list calls can
/// start another; only the lender named by that list may call back, once, with a loan that this contract initiated.
/// Approvals are calls of the list and name exact amounts; the lender is approved for what is due.
contract Executor {
    /// @param target contract to call.
    /// @param value wei sent with it.
    /// @param data selector and arguments.
    /// @param spent if not zero, the word at byte `at` of `data` becomes this contract's balance of that token: for
    /// amounts that only the transaction itself knows.
    struct Call {
        address target;
        uint256 value;
        bytes data;
        address spent;
        uint256 at;
    }

    address public immutable owner;
    /// @dev The lender whose callback is awaited; zero at rest, gone when the transaction ends.
    address private transient awaited;

    error NotOwner(address caller);
    error NotAwaited(address caller);
    error NoCode(address target);
    error TokenRefused(address token);
    error BadOffset(uint256 at);

    constructor(address owner_) {
        owner = owner_;
    }

    /// @notice ETH of unwrapping and of refunds.
    receive() external payable {}

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        _;
    }

    /// @notice Runs `calls`; `lender` is the flash lender among them, or zero. Fails with what the failing call says.
    function execute(Call[] memory calls, address lender) external payable onlyOwner {
        awaited = lender;
        _run(calls);
        awaited = address(0);
    }

    /// @notice Returns all of `token` (zero: ETH) to the owner.
    function sweep(address token) external onlyOwner {
        if (token == address(0)) _call(owner, address(this).balance, "");
        else _call(token, 0, abi.encodeCall(IToken.transfer, (owner, IToken(token).balanceOf(address(this)))));
    }

    /// @notice Callback of Aave's `flashLoanSimple`.
    function executeOperation(address, uint256 amount, uint256 premium, address initiator, bytes calldata params)
        external
        returns (bool)
    {
        if (initiator != address(this)) revert NotAwaited(initiator);
        _lent(amount + premium, params);
        return true;
    }

    /// @notice Callback of Morpho's `flashLoan`.
    function onMorphoFlashLoan(uint256 amount, bytes calldata params) external {
        _lent(amount, params);
    }

    /// @notice Takes the receipts that redemption queues hand out as ERC-721 tokens.
    function onERC721Received(address, address, uint256, bytes calldata) external pure returns (bytes4) {
        return this.onERC721Received.selector;
    }

    /// @dev Spends the loan as `params` = (token, calls) says and lets the lender collect what is due.
    function _lent(uint256 due, bytes calldata params) private {
        if (msg.sender != awaited) revert NotAwaited(msg.sender);
        awaited = address(0);
        (address token, Call[] memory calls) = abi.decode(params, (address, Call[]));
        _run(calls);
        _call(token, 0, abi.encodeCall(IToken.approve, (msg.sender, due)));
    }

    function _run(Call[] memory calls) private {
        for (uint256 i; i < calls.length; ++i) {
            Call memory call = calls[i];
            if (call.spent != address(0)) _fill(call.data, call.at, IToken(call.spent).balanceOf(address(this)));
            _call(call.target, call.value, call.data);
        }
    }

    /// @dev Writes `amount` over the word at byte `at` of `data`.
    function _fill(bytes memory data, uint256 at, uint256 amount) private pure {
        if (at < 4 || at + 32 > data.length) revert BadOffset(at);
        assembly ("memory-safe") {
            mstore(add(add(data, 32), at), amount)
        }
    }

    /// @dev A call that must succeed: with code at the target if it has data, and without a token's silent `false`.
    function _call(address target, uint256 value, bytes memory data) private {
        if (data.length != 0 && target.code.length == 0) revert NoCode(target);
        (bool success, bytes memory answer) = target.call{value: value}(data);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
        bool token = data.length >= 4 && (bytes4(data) == IToken.transfer.selector || bytes4(data) == IToken.approve.selector);
        if (token && answer.length != 0 && !abi.decode(answer, (bool))) revert TokenRefused(target);
    }
}
